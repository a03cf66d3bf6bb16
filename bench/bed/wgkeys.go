package bed

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
)

const (
	wgDevice = "wg0"
	wgPort   = 51820

	// wgOverhead is what WireGuard adds over IPv4: IPv4 20, UDP 8, header 16, tag 16.
	wgOverhead = 60
	// wgReserve is what WireGuard's own tools leave free, whatever the underlay: IPv6 40, UDP 8, header 16, tag 16. It is
	// why the MTU is 1420 on an underlay of 1500.
	wgReserve = 80
)

// wgMTU is the MTU that WireGuard takes by itself, and the most that fits over IPv4.
func wgMTU(underlay int) (own, most int) { return underlay - wgReserve, underlay - wgOverhead }

// wgKeys are the private keys of both hosts, made anew for every bed.
type wgKeys [2]*ecdh.PrivateKey

func newWGKeys() (wgKeys, error) {
	var keys wgKeys
	for i := range keys {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return keys, fmt.Errorf("make a WireGuard key: %w", err)
		}
		keys[i] = key
	}
	return keys, nil
}

// uapi is the configuration of end i for wireguard-go. Keepalives are off, as by default and in Flannel's backend.
func (k wgKeys) uapi(i int, e end) string {
	return fmt.Sprintf("private_key=%s\nlisten_port=%d\nreplace_peers=true\npublic_key=%s\nendpoint=%s\nallowed_ip=%s\n",
		hex.EncodeToString(k[i].Bytes()), wgPort, hex.EncodeToString(k[1-i].PublicKey().Bytes()), wgEndpoint(e), e.peerSubnet)
}

// file is the same for wg(8).
func (k wgKeys) file(i int, e end) string {
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("[Interface]\nPrivateKey = %s\nListenPort = %d\n[Peer]\nPublicKey = %s\nEndpoint = %s\nAllowedIPs = %s\n",
		text(k[i].Bytes()), wgPort, text(k[1-i].PublicKey().Bytes()), wgEndpoint(e), e.peerSubnet)
}

// wgEndpoint is where the end finds its peer.
func wgEndpoint(e end) netip.AddrPort { return netip.AddrPortFrom(e.peer.Addr4(), wgPort) }
