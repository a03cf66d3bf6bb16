package lease

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
)

// Version is that of the schema. A reader refuses any other.
const Version = 1

// Lease is what pods of this node get. In JSON, prefixes are texts.
type Lease struct {
	Version    int            `json:"version"`
	BootID     string         `json:"boot_id"`      // of the boot that it was written in
	Node       string         `json:"node"`         // the node's name
	Network    []netip.Prefix `json:"network"`      // the whole overlay: one or two prefixes
	Subnets    []netip.Prefix `json:"subnets"`      // the node's own, in the order in which pods get addresses of them
	Device     string         `json:"device"`       // weft's device
	MTU        int            `json:"mtu"`          // of pods, in bytes
	GSOMaxSize int            `json:"gso_max_size"` // the longest superpacket that pods send, in bytes; 0: as the kernel has it
	StateDir   string         `json:"state_dir"`    // where the address book is, in its folder cni
}

// Gateway is the address that a subnet's pods send to: its first one.
func Gateway(subnet netip.Prefix) netip.Addr { return subnet.Masked().Addr().Next() }

// The MTUs that an interface can have: what IPv4 asks for at least (RFC 791), and the most that veth takes.
const (
	MinMTU = 68
	MaxMTU = 65535
)

// MinMTU6 is what IPv6 asks for at least (RFC 8200, section 5); the kernel switches IPv6 off below it.
const MinMTU6 = 1280

// The kernel's bounds for gso_max_size: more than its longest header of TCP (MAX_TCP_HEADER of net/tcp.h, at most 512 with any length of
// cache lines), and no more than GSO_MAX_SIZE of linux/netdevice.h.
const (
	MinGSO = 512 + 1
	MaxGSO = 8 * 65535
)

// validate checks what the plugin relies on.
func (l Lease) validate() error {
	switch {
	case l.Version != Version:
		return fmt.Errorf("version %d, and this build knows %d", l.Version, Version)
	case l.BootID == "":
		return errors.New("no boot_id")
	case len(l.Subnets) == 0:
		return errors.New("no subnets")
	case l.Device == "":
		return errors.New("no device")
	case l.MTU < MinMTU || l.MTU > MaxMTU:
		return fmt.Errorf("mtu %d: want %d to %d", l.MTU, MinMTU, MaxMTU)
	case l.GSOMaxSize < 0 || l.GSOMaxSize > MaxGSO:
		return fmt.Errorf("gso_max_size %d: want 0 to %d", l.GSOMaxSize, MaxGSO)
	case !filepath.IsAbs(l.StateDir):
		return fmt.Errorf("state_dir %q is no absolute path", l.StateDir)
	}
	return l.validatePrefixes()
}

func (l Lease) validatePrefixes() error {
	for _, p := range append(append([]netip.Prefix(nil), l.Network...), l.Subnets...) {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			return fmt.Errorf("%v is not a prefix (address bits beyond its length must be zero)", p)
		}
	}
	for _, p := range l.Subnets {
		if p.IsSingleIP() {
			return fmt.Errorf("subnet %v has no room for pods", p)
		}
		if p.Addr().Is6() && l.MTU < MinMTU6 {
			return fmt.Errorf("mtu %d: IPv6 wants %d at least", l.MTU, MinMTU6)
		}
	}
	return nil
}

// Decode reads the contents of a lease file. Keys that it does not know are passed over: a later build may add some.
func Decode(data []byte) (Lease, error) {
	var l Lease
	if err := json.Unmarshal(data, &l); err != nil {
		return Lease{}, err
	}
	if err := l.validate(); err != nil {
		return Lease{}, err
	}
	return l, nil
}

func (l Lease) encode() ([]byte, error) {
	l.Version = Version
	if err := l.validate(); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(l, "", "  ")
	return append(data, '\n'), err
}
