package encap

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// controlBuffer holds 10 000 short frames, each of which counts as 768 bytes or so (SKB_TRUESIZE in include/linux/skbuff.h;
	// the kernel doubles what is asked for): a flood of 100 000 in a second fills it in 0.1 s.
	controlBuffer = 4 << 20
	// controlPriority puts control frames before others in queues that look at it, as pfifo_fast does (TC_PRIO_INTERACTIVE). The one
	// above, TC_PRIO_CONTROL, takes CAP_NET_ADMIN (sk_set_prio_allowed in net/core/sock.c).
	controlPriority = 6
)

// openControl opens the port's control socket beside the lanes, and steers frames to it. Without it the port works: all frames
// then come to the lanes, and status says why.
//
// No other process ever goes on with it: what comes while there is none waits in the sockets of the lanes, which the kernel
// chooses instead, and which take any frame. So builds with and without a control socket follow each other in any order.
func (u *UDPPort) openControl() {
	f := Feature{Name: "control-socket", State: FeatureOn}
	if err := u.addControl(); err != nil {
		f.State, f.Reason = FeatureUnavailable, err.Error()
	}
	u.granted.features = append(u.granted.features, f)
}

func (u *UDPPort) addControl() error {
	first := u.conns[0].in
	if err := reusePort(first.fd); err != nil {
		return fmt.Errorf("share the port: %w", err)
	}
	o := u.options
	o.Buffer = controlBuffer
	s, _, err := bindWith(u.at, o, reusePort, prefer)
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := steer(first.fd, len(u.conns), true); err != nil {
		s.close()
		return fmt.Errorf("choose sockets by a program (Linux 4.5): %w", err)
	}
	u.control = newUDPConn(s, s, u.at.Addr().Is6(), u.gso)
	if breaks := new(fragmentation); breaks.set(s.fd, unix.IP_PMTUDISC_OMIT) == nil {
		u.control.breaks = breaks
	}
	return nil
}

// prefer sets the priority of what a socket sends.
func prefer(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, controlPriority)
}
