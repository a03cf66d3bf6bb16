package encap

import (
	"net/netip"
)

// ProbeSteering reports whether a program may choose among the sockets of one port, which several lanes need
// (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5). nil: yes. Else the kernel's answer, such as ENOPROTOOPT.
func ProbeSteering() error {
	s, err := bindSocket(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), reusePort)
	if err != nil {
		return err
	}
	defer s.close()
	return steer(s.fd, 1, false)
}
