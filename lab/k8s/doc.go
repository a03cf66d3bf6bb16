// Package k8s runs a real Kubernetes on the virtual hosts of a lab: etcd, the control plane, and on every node a containerd, a
// kubelet and a kube-proxy, so that weft can be tested as what connects its pods.
//
// Words. A Machine is a host of the lab with namespaces of its own for processes and mounts, and a root that is this machine's,
// copy-on-write in memory: programs find and leave their files where they would on a host of their own. A Node is a Machine with
// containerd, kubelet and kube-proxy. The Control plane runs on a Machine without them. The programs of Kubernetes are built from
// its modules by binaries/build.sh; etcd, containerd and runc are Debian's. No image is pulled: Image makes the one there is.
//
// Ownership. A Cluster belongs to the lab on which it is made. Its methods may be called from one goroutine at a time.
//
// Always. Nothing outside of the lab changes: no file, no rule, no kernel setting. When a machine's first process ends, with
// Close or with the process that made it, the kernel ends all others on it, containers too, and takes away all that they have
// mounted. Control groups are what remains then: Close removes them, or else the next Boot of any process does.
package k8s
