# What an overlay renders to, for deploy.sh and undeploy.sh: sourced from the root of the checkout.

fail() {
  echo "$(basename "$0" .sh): $*" >&2
  exit 1
}

overlay=k8s/overlays/$1
[ -d "$overlay" ] || fail "there is no overlay $1; there are: $(cd k8s/overlays && echo *)"
command -v kubectl >/dev/null || fail "kubectl is not installed (kubernetes.io/docs/tasks/tools)"
context=$(kubectl config current-context 2>/dev/null) || fail "kubectl has no current context: choose one with kubectl config use-context"

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
kubectl kustomize "$overlay" >"$directory/rendered.yaml"

# The service's objects of a kind, one to a line: namespace, name, and what a Go template gives.
ours() {
  # A change that stays here is what lets kubectl print a file, of any kind, without a cluster.
  kubectl annotate --local --overwrite --filename "$directory/rendered.yaml" printed=true \
    --output "go-template={{if eq .kind \"$1\"}}{{with .metadata.labels}}{{if eq (printf \"%v\" (index . \"app.kubernetes.io/name\")) \"eeg-letters\"}}{{with \$}}{{with .metadata.namespace}}{{.}}{{else}}$(current_namespace){{end}} {{.metadata.name}} ${2:-}{{\"\\n\"}}{{end}}{{end}}{{end}}{{end}}"
}

current_namespace() {
  local namespace
  namespace=$(kubectl config view --minify --output 'jsonpath={..namespace}')
  echo "${namespace:-default}"
}
