// Package k8s runs a real Kubernetes on the virtual hosts of a lab: etcd, the control plane, and on every node a containerd, a
// kubelet, a kube-proxy and k3s's controller of network policies, so that weft can be tested as what connects its pods.
//
// Words. A Node is a machine (package cri) with containerd, kubelet and kube-proxy. The Control plane runs on a machine without them.
// The programs of Kubernetes are built from its modules by binaries/build.sh, and so is the controller (directory policy); etcd, containerd
// and runc are Debian's. No image is pulled: package cri makes the one there is.
//
// Ownership. A Cluster belongs to the lab on which it is made. Its methods may be called from one goroutine at a time.
//
// Always. What package cri says of machines: nothing outside of the lab changes, and nothing is left.
package k8s
