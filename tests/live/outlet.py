"""An outlet of Lab Streaming Layer in a process of its own: ``python outlet.py NAME LABEL …``.

Each row has the running number of the row in its first channel, and 0.5 in all others. It ends when
its standard input does.
"""

from __future__ import annotations

import select
import sys

import pylsl

name, *labels = sys.argv[1:]
info = pylsl.StreamInfo(name, "Band-Power", len(labels), 8, pylsl.cf_float32, f"{name}-source")
info.set_channel_labels(labels)
outlet = pylsl.StreamOutlet(info)
outlet.wait_for_consumers(60)
number = 0
while not select.select([sys.stdin], [], [], 0.01)[0]:
    outlet.push_sample([float(number), *[0.5] * (len(labels) - 1)], pylsl.local_clock())
    number += 1
