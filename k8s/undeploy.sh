#!/usr/bin/env bash
# Deletes what an overlay deployed to the current kubectl context. A namespace is deleted if the
# overlay has it, it was made by these manifests, and nothing else runs or is stored in it.
# Usage: undeploy.sh OVERLAY
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=k8s/rendered.sh
. k8s/rendered.sh

cat >"$directory/kustomization.yaml" <<'EOF'
resources: [rendered.yaml]
patches:
  - target: {kind: Namespace}
    patch: |-
      $patch: delete
      apiVersion: v1
      kind: Namespace
      metadata:
        name: any
EOF
kubectl --context "$context" delete --ignore-not-found -k "$directory"

# Its pods may take a while to end: they are not somebody else's.
instances=$(ours Deployment '{{index .metadata.labels "app.kubernetes.io/instance"}}' | cut -d ' ' -f 3 | paste -sd , -)
ours Namespace | while read -r _ namespace; do
  made_here=$(kubectl --context "$context" get namespaces --output name \
    --selector app.kubernetes.io/part-of=eeg-letters --field-selector "metadata.name=$namespace" </dev/null)
  others=$(kubectl --context "$context" --namespace "$namespace" get all,persistentvolumeclaims --output name \
    --selector "app.kubernetes.io/instance notin ($instances)" </dev/null)
  if [ -z "$made_here" ]; then
    echo "undeploy: the namespace $namespace is left: these manifests have not made it" >&2
  elif [ -n "$others" ]; then
    echo "undeploy: the namespace $namespace is left: it has more than the service: ${others//$'\n'/, }" >&2
  else
    kubectl --context "$context" delete --ignore-not-found namespace "$namespace" </dev/null
  fi
done
