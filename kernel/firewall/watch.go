package firewall

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// settle is how long a burst of news is gathered before changed is called: a reload of a firewall is thousands of messages.
const settle = 150 * time.Millisecond

// Watch calls changed after every change of the ruleset in this namespace, whoever made it (also Set). Changes within 150 ms
// are one call. It blocks until ctx is done, and then returns nil; an error means that news can no longer be had. changed
// runs on the goroutine of Watch.
func (r *Rules) Watch(ctx context.Context, changed func()) error {
	socket, err := subscribe()
	if err != nil {
		return explain("watch", err)
	}
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	defer func() { stop(); socket.Close() }()
	for {
		if err := gather(socket); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return explain("watch", err)
		}
		changed()
	}
}

// subscribe opens a socket for news of nf_tables.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)}); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// newsSocket is what gather reads from.
type newsSocket interface {
	Read([]byte) (int, error)
	SetReadDeadline(time.Time) error
}

// gather waits for news, and then reads all that comes until it has settled. Messages are only counted as such: the rest of
// a datagram is cut off.
func gather(socket newsSocket) error {
	if err := socket.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	header := make([]byte, unix.SizeofNlMsghdr)
	for first := true; ; first = false {
		_, err := socket.Read(header)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil && !errors.Is(err, unix.ENOBUFS): // ENOBUFS: news was lost, which is news too
			return err
		}
		if first {
			if err := socket.SetReadDeadline(time.Now().Add(settle)); err != nil {
				return err
			}
		}
	}
}
