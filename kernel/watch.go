package kernel

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// settle is how long a burst of news is gathered before changed is called: long enough for one `ip link set down` with all
// its routes, short against the 5 s within which weft puts things back.
const settle = 150 * time.Millisecond

// Watch calls changed once at the start and then after every change of interfaces, addresses or routes in this namespace,
// whoever made it (also Set). Changes within 150 ms are one call. It blocks until ctx is done, and then returns nil; an error
// means that news can no longer be had. changed runs on the goroutine of Watch; while it runs, news is gathered.
func (h *Host) Watch(ctx context.Context, changed func()) error {
	socket, err := subscribe()
	if err != nil {
		return explain("watch", err)
	}
	news := make(chan struct{}, 1)
	go func() {
		err = listen(socket, news)
		close(news)
	}()
	coalesce(ctx, news, changed)
	socket.Close()
	for range news { // until the listener has ended
	}
	if ctx.Err() != nil {
		return nil
	}
	return explain("watch", err)
}

// groups are the multicast groups of rtnetlink that Watch hears.
var groups = []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE}

// subscribe opens a socket for news. It is not the netlink library's, whose receive takes 64 KiB of new memory each: we
// only want to know that there is a message, and a host with many pods has many.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	addr := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	for _, g := range groups {
		addr.Groups |= 1 << (g - 1)
	}
	if err := unix.Bind(fd, addr); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// listen posts every message of the socket as news until the socket is closed or fails.
func listen(socket io.Reader, news chan<- struct{}) error {
	header := make([]byte, unix.SizeofNlMsghdr) // the rest of the datagram is cut off
	for {
		_, err := socket.Read(header)
		if err != nil && !errors.Is(err, unix.ENOBUFS) { // ENOBUFS: news was lost, which is news too
			return err
		}
		select {
		case news <- struct{}{}:
		default: // there is some already
		}
	}
}

// coalesce calls changed at once, and for every burst of news when it has settled, until ctx is done or news is closed.
func coalesce(ctx context.Context, news <-chan struct{}, changed func()) {
	for {
		changed()
		select {
		case <-ctx.Done():
			return
		case _, more := <-news:
			if !more {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
		select {
		case <-news: // the rest of the burst: it came before changed looks
		default:
		}
	}
}
