package encap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// laneByte is where a frame holds its sender's lane, typeBits which bits of its first byte say what it is.
const (
	laneByte = 2
	typeBits = 0x0f
)

// laneTypes are the types of frames that come to the lanes, whether this build knows them or not: those that carry packets.
var laneTypes = []Type{Data, Relay, Part}

// InLanes reports whether frames of the type come to the lanes of a port that has a control socket.
func (t Type) InLanes() bool { return slices.Contains(laneTypes, t) }

// steer makes the group of sockets that share the port hand out what comes (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5): frames that
// carry packets by their sender's lane, modulo the number of lanes, which are the first sockets of the group; the others to the
// control socket, which is the one behind them. Without one, all go by the lane.
//
// The program sees the UDP payload from its first byte on (run_bpf_filter in net/core/sock_reuseport.c), and names a socket by
// its place in the order in which they were bound. A load behind the end of a datagram ends it with 0: what is too short for a
// frame comes to the first socket. Where it names a socket that is closed, the kernel chooses one of the others by a hash.
func steer(fd, lanes int, control bool) error {
	return attach(fd, unix.SO_ATTACH_REUSEPORT_CBPF, steering(lanes, control))
}

// steering is the program of steer.
func steering(lanes int, control bool) (program []unix.SockFilter) {
	if control {
		program = append(program, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS},
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: typeBits})
		for i, t := range laneTypes { // over the other comparisons and the return
			program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(t), Jt: uint8(len(laneTypes) - i)})
		}
		program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(lanes)})
	}
	return append(program,
		unix.SockFilter{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: laneByte},
		unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(lanes)},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_A})
}

// refuseAll makes a socket drop all that comes to it: nobody reads it, and it must not pile up.
func refuseAll(fd int) error {
	return attach(fd, unix.SO_ATTACH_FILTER, []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}})
}

func attach(fd, option int, program []unix.SockFilter) error {
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, option,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// openLanes opens the sockets of the port's lanes. The first one is bound without SO_REUSEPORT, so that it fails while anybody else has
// the port, also a process that shares it among sockets of its own; only then it lets those of the other lanes in beside it.
func (u *UDPPort) openLanes() error {
	first, err := u.openFirst()
	if err != nil {
		return err
	}
	u.addLane(first, first)
	if u.options.Lanes == 1 {
		return nil
	}
	if err := reusePort(first.fd); err != nil {
		return fmt.Errorf("share the port between lanes: %w", err)
	}
	for i := 1; i < u.options.Lanes; i++ {
		if err := u.openLane(); err != nil {
			return fmt.Errorf("lane %d: %w", i, err)
		}
	}
	if err := steer(first.fd, u.options.Lanes, false); err != nil {
		return fmt.Errorf("choose lanes by a program (Linux 4.5): %w", err)
	}
	return nil
}

// openFirst opens the socket of the first lane, which settles the port's address and number. Where the kernel has no IPv6,
// all addresses are those of IPv4.
func (u *UDPPort) openFirst() (*socket, error) {
	s, err := u.bind(u.at)
	if u.at.Addr() == netip.IPv6Unspecified() && lacksIPv6(err) {
		u.at = netip.AddrPortFrom(netip.IPv4Unspecified(), u.at.Port())
		s, err = u.bind(u.at)
	}
	if err != nil {
		return nil, err
	}
	number, err := s.localPort()
	if err != nil {
		s.close()
		return nil, fmt.Errorf("read the port's number: %w", err)
	}
	u.at = netip.AddrPortFrom(u.at.Addr(), number)
	return s, nil
}

// openLane opens the sockets of another lane: one that shares the port, and one to send from.
func (u *UDPPort) openLane() error {
	in, err := u.bind(u.at, reusePort)
	if err != nil {
		return err
	}
	out, err := u.bind(netip.AddrPortFrom(u.at.Addr(), 0), refuseAll)
	if err != nil {
		in.close()
		return err
	}
	u.addLane(in, out)
	return nil
}

func (u *UDPPort) addLane(in, out *socket) {
	c := newUDPConn(in, out, u.at.Addr().Is6(), u.gso)
	u.conns, u.lanes = append(u.conns, c), append(u.lanes, c)
}

// bind opens a socket of a lane, and notes what the kernel gave.
func (u *UDPPort) bind(at netip.AddrPort, more ...func(fd int) error) (*socket, error) {
	s, g, err := bindWith(at, u.options, more...)
	if err == nil {
		u.granted = u.granted.and(g)
	}
	return s, err
}

// bindWith opens a socket with all options, and says what the kernel gave.
func bindWith(at netip.AddrPort, o UDPOptions, more ...func(fd int) error) (s *socket, g granted, err error) {
	s, err = bindSocket(at, func(fd int) (err error) {
		for _, set := range more {
			if err := set(fd); err != nil {
				return err
			}
		}
		g, err = configure(fd, at.Addr().Is6(), o)
		return err
	})
	return s, g, err
}

func reusePort(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

func lacksIPv6(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}
