#!/usr/bin/env bash
# Deploys an overlay to the current kubectl context and waits until it serves.
# Usage: deploy.sh OVERLAY VERSION [IMAGE]
#   IMAGE   what the cluster is to pull, with tag or digest; without it, the image that `make image`
#           built is loaded into kind, minikube or k3d where one of them is the current context.
# ENGINE=docker or podman is where that image is.
set -euo pipefail
cd "$(dirname "$0")/.."

overlay=k8s/overlays/$1
version=$2
image=${3:-}
local_image=eeg-letters:$version
namespace=eeg-letters

fail() {
  echo "deploy: $*" >&2
  exit 1
}

# The image by the name under which a cluster looks for one without a registry.
archive() {
  if [ "$ENGINE" = podman ]; then
    podman tag "$local_image" "docker.io/library/$local_image"
    podman save --quiet --format docker-archive "docker.io/library/$local_image"
  else
    docker save "$local_image"
  fi
}

load() {
  local file
  file=$(mktemp)
  # shellcheck disable=SC2064
  trap "rm -f '$file'" EXIT
  case $context in
    kind-* | k3d-* | minikube) archive >"$file" ;;
  esac
  case $context in
    kind-*) kind load image-archive "$file" --name "${context#kind-}" ;;
    k3d-*) k3d image import "$file" --cluster "${context#k3d-}" ;;
    minikube) minikube image load "$file" ;;
    *) echo "deploy: $context is none of kind, k3d, minikube: it must find $local_image by itself; else name a pullable one: make deploy IMAGE=…" >&2 ;;
  esac
}

render() {
  kubectl kustomize "$overlay" | if [ -n "$image" ]; then
    sed -E "s|^( *image: ).*|\1$image|"
  else
    cat
  fi
}

ingress() {
  kubectl --context "$context" --namespace "$namespace" get ingress eeg-letters -o "jsonpath=$1" 2>/dev/null || true
}

# Where the Ingress can be reached: its host or the address its controller wrote down.
url() {
  local host address
  host=$(ingress '{.spec.rules[0].host}')
  address=$(ingress '{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}')
  if [ -n "$host" ]; then
    echo "https://$host"
  elif [ -n "$address" ]; then
    echo "http://$address"
  fi
}

[ -d "$overlay" ] || fail "there is no overlay $1; there are: $(cd k8s/overlays && echo *)"
command -v kubectl >/dev/null || fail "kubectl is not installed (kubernetes.io/docs/tasks/tools)"
context=$(kubectl config current-context 2>/dev/null) || fail "kubectl has no current context: choose one with kubectl config use-context"

echo "Deploying $overlay to $context"
[ -n "$image" ] || load
render | kubectl --context "$context" apply -f -
kubectl --context "$context" --namespace "$namespace" rollout status deployment/eeg-letters --timeout 300s

address=$(url)
if [ -z "$address" ]; then
  address=http://localhost:3000
  echo "The Ingress has no address (yet). Until an ingress controller gives it one:"
  echo "  kubectl --context $context --namespace $namespace port-forward service/eeg-letters 3000:80"
fi
echo "$address/"
echo "  curl $address/prediction/232"
