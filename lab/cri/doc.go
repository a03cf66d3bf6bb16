// Package cri runs containerd on the virtual hosts of a lab and drives it as a kubelet does, through CRI, so that weft can be
// tested as what connects pods.
//
// Words. A Machine is a host of the lab with namespaces of its own for processes and mounts, and a root that is this machine's,
// copy-on-write in memory: programs find and leave their files where they would on a host of their own. A Runtime is a Machine with
// containerd and crictl. A Pod is a sandbox of containerd's with at most one container. containerd and runc are Debian's; crictl is
// built from its module by crictl/build.sh. No image is pulled: WriteImage makes the one there is.
//
// Ownership. Methods of a Machine, and those of a Runtime that are about pods, may be called from many goroutines; those that start
// and end containerd from one at a time.
//
// Always. Nothing outside of the lab changes: no file, no rule, no kernel setting. When a machine's first process ends, with
// Close or with the process that made it, the kernel ends all others on it, containers too, and takes away all that they have
// mounted. Control groups are what remains then: Close removes them, or else the next Boot of any process does.
package cri
