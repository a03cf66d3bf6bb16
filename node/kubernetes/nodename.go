package kubernetes

import (
	"fmt"
	"regexp"
	"strings"
)

// nodeName is a DNS subdomain (RFC 1123), which is what a Node's metadata.name is.
var nodeName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

const maxNodeName = 253 // bytes

// CheckNodeName says why no Node of Kubernetes can have a name, or nil.
func CheckNodeName(name string) error {
	if len(name) > maxNodeName || !nodeName.MatchString(name) {
		return fmt.Errorf("%q is no name of a Kubernetes node (lower case letters, digits, dashes and dots; 'kubectl get nodes' lists them)", name)
	}
	return nil
}

// NodeName is the name of this host's Node, and where it is from: the key k8s_node, the environment's NODE_NAME, or the node's label in
// lower case, as kubelet makes it of the hostname. It may be none that a Node can have: see CheckNodeName.
func NodeName(key, label string, getenv func(string) string) (name, from string) {
	if key != "" {
		return key, "k8s_node"
	}
	if env := getenv("NODE_NAME"); env != "" {
		return env, "NODE_NAME"
	}
	return strings.ToLower(label), "name"
}
