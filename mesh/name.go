package mesh

import (
	"encoding/hex"
	"net"
	"strings"

	"github.com/weftnet/weft/trust"
)

// memberName is what memberlist calls a node: key fingerprint and boot nonce in hexadecimal.
type memberName struct {
	id   trust.Fingerprint
	boot trust.BootNonce
}

// String is the form that memberlist sees: 64 digits, a dash, 16 digits.
func (n memberName) String() string { return n.id.String() + "-" + n.boot.String() }

func parseMemberName(text string) (memberName, bool) {
	id, boot, ok := strings.Cut(text, "-")
	if !ok || len(boot) != hex.EncodedLen(len(trust.BootNonce{})) {
		return memberName{}, false
	}
	raw, err := hex.DecodeString(boot)
	if err != nil {
		return memberName{}, false
	}
	fingerprint, err := trust.ParseFingerprint(id)
	if err != nil {
		return memberName{}, false
	}
	n := memberName{fingerprint, trust.BootNonce(raw)}
	return n, n.String() == text // upper case digits would be a second name of the same node
}

// syntheticIP is the address that memberlist believes in: fd and the first 15 bytes of the fingerprint. It is never used.
func syntheticIP(id trust.Fingerprint) net.IP {
	return append(net.IP{0xfd}, id[:15]...)
}

// syntheticAddr is syntheticIP with a port, for memberlist's Packet.
func syntheticAddr(id trust.Fingerprint) net.Addr {
	return &net.UDPAddr{IP: syntheticIP(id), Port: DefaultPort}
}
