package encap

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Bounds of what a peer may say.
const (
	MaxLanes    = 64
	MaxName     = 255 // bytes of a node's name
	MaxBuild    = 64  // bytes of the name of its build
	maxNetworks = 8
	maxCiphers  = 16
)

// Settings are what both ends of a session or stream must agree on, and what each can do.
type Settings struct {
	Network      []netip.Prefix `cbor:"1,keyasint"` // the whole overlay; must be equal
	Encryption   bool           `cbor:"2,keyasint"` // of data; must be equal
	MinVersion   uint8          `cbor:"3,keyasint"` // frame versions spoken; must overlap
	MaxVersion   uint8          `cbor:"4,keyasint"`
	Capabilities uint64         `cbor:"5,keyasint,omitempty"` // bit set
	Lanes        uint8          `cbor:"6,keyasint"`           // 1 to MaxLanes
	Ciphers      []Cipher       `cbor:"7,keyasint"`           // in order of preference; one must be common
	MTU          uint16         `cbor:"8,keyasint,omitempty"` // of the underlay; 0: not known
	Build        string         `cbor:"9,keyasint,omitempty"` // which weft it is, for people; empty: it did not say
}

// BuildName is a version as Settings may carry it: printable, and not longer than MaxBuild.
func BuildName(version string) string { return printable(version[:min(len(version), MaxBuild)]) }

// CapDialBack is the capability of nodes that answer a DialRequest.
const CapDialBack uint64 = 1 << 0

// CapSecrets is the capability of nodes that answer a SecretOffer, and read gossip frames under the key of a day.
const CapSecrets uint64 = 1 << 1

// CapRelay is the capability of nodes that know relay frames and link state.
const CapRelay uint64 = 1 << 3

// CapParts is the capability of nodes that put frames together of their parts, and answer probes of a path's MTU.
const CapParts uint64 = 1 << 4

// Agreement is what two nodes have in common.
type Agreement struct {
	Version      uint8
	Lanes        uint8
	Cipher       Cipher
	Sealed       bool   // data frames are encrypted
	Capabilities uint64 // those of both, which may be used
}

// Agree compares both ends' settings. Both ends come to the same result, but for what is ours and what theirs in the
// error, which is a *MismatchError.
func (s Settings) Agree(o Settings) (Agreement, error) {
	if ours, theirs := s.networkText(), o.networkText(); ours != theirs {
		return Agreement{}, &MismatchError{Field: "network", Ours: ours, Theirs: theirs}
	}
	if s.Encryption != o.Encryption {
		return Agreement{}, &MismatchError{Field: "encryption", Ours: onOff(s.Encryption), Theirs: onOff(o.Encryption)}
	}
	version := min(s.MaxVersion, o.MaxVersion)
	if version < max(s.MinVersion, o.MinVersion) {
		return Agreement{}, &MismatchError{Field: "version", Ours: s.versionText(), Theirs: o.versionText()}
	}
	cipher, ok := agreeCipher(s.Ciphers, o.Ciphers)
	if !ok {
		return Agreement{}, &MismatchError{Field: "cipher", Ours: cipherText(s.Ciphers), Theirs: cipherText(o.Ciphers)}
	}
	return Agreement{
		Version: version, Lanes: min(s.Lanes, o.Lanes), Cipher: cipher, Sealed: s.Encryption,
		Capabilities: s.Capabilities & o.Capabilities,
	}, nil
}

// check reports whether s is within bounds; what comes from the network must be.
func (s Settings) check() error {
	switch {
	case len(s.Network) > maxNetworks:
		return fmt.Errorf("%w: %d networks", ErrPayload, len(s.Network))
	case s.Lanes < 1 || s.Lanes > MaxLanes:
		return fmt.Errorf("%w: %d lanes", ErrPayload, s.Lanes)
	case s.MinVersion > s.MaxVersion:
		return fmt.Errorf("%w: versions %s", ErrPayload, s.versionText())
	case len(s.Ciphers) > maxCiphers:
		return fmt.Errorf("%w: %d ciphers", ErrPayload, len(s.Ciphers))
	case len(s.Build) > MaxBuild || printable(s.Build) != s.Build:
		return fmt.Errorf("%w: name of the build", ErrPayload)
	}
	for _, p := range s.Network {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("%w: network is not a prefix", ErrPayload)
		}
	}
	return nil
}

func (s Settings) networkText() string {
	texts := make([]string, 0, len(s.Network))
	for _, p := range s.Network {
		texts = append(texts, p.Masked().String())
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ", ")
}

func (s Settings) versionText() string {
	if s.MinVersion == s.MaxVersion {
		return fmt.Sprint(s.MinVersion)
	}
	return fmt.Sprintf("%d to %d", s.MinVersion, s.MaxVersion)
}

func cipherText(list []Cipher) string {
	texts := make([]string, 0, len(list))
	for _, c := range list {
		texts = append(texts, c.String())
	}
	return strings.Join(slices.Compact(texts), ", ")
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
