"""Run by Alembic for each of its commands; `eeg_letters.database.revisions` says on what."""

from alembic import context

from eeg_letters.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
