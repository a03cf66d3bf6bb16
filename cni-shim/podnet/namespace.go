package podnet

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// openNamespace opens a pod's namespace. ErrNoNamespace: there is none at path. ErrOwnNamespace: it is that of the calling thread.
func openNamespace(path string) (netns.NsHandle, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) // a pipe would wait for somebody who writes
	if err != nil {
		return netns.None(), fmt.Errorf("podnet: %s: %w: %w", path, ErrNoNamespace, err)
	}
	pod := netns.NsHandle(fd)
	kind, err := unix.IoctlRetInt(int(pod), unix.NS_GET_NSTYPE)
	if err == nil && kind != unix.CLONE_NEWNET {
		err = errors.New("it is a namespace of another kind")
	}
	if err != nil {
		pod.Close()
		return netns.None(), fmt.Errorf("podnet: %s: %w: %w", path, ErrNoNamespace, err)
	}
	own, err := netns.Get()
	if err != nil {
		pod.Close()
		return netns.None(), explain("open the host's namespace", err)
	}
	defer own.Close()
	if own.Equal(pod) {
		pod.Close()
		return netns.None(), fmt.Errorf("podnet: %s: %w", path, ErrOwnNamespace)
	}
	return pod, nil
}

// in calls fn in a namespace, on the calling thread, which is back where it was when it returns. host is the namespace where it was.
func in(pod netns.NsHandle, fn func(host netns.NsHandle) error) (err error) {
	runtime.LockOSThread()
	host, err := netns.Get()
	if err == nil {
		defer host.Close()
		err = netns.Set(pod)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return explain("enter the pod's namespace", err)
	}
	defer func() {
		if back := netns.Set(host); back != nil {
			// The thread stays locked, so that it ends with this goroutine and nothing else runs on it by mistake.
			err = errors.Join(err, explain("leave the pod's namespace", back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return fn(host)
}

// inPod calls fn in a namespace, as in does, with a socket of it.
func inPod(pod netns.NsHandle, fn func(nl *netlink.Handle) error) error {
	return in(pod, func(netns.NsHandle) error {
		nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return explain("open netlink in the pod", err)
		}
		defer nl.Close()
		return fn(nl)
	})
}
