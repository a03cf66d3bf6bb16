package tun

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/packet/packettest"
)

func TestRepairMendsOnlyWhatIsWrong(t *testing.T) {
	ip := packettest.IP{Src: netip.MustParseAddr("fd00::1"), Dst: netip.MustParseAddr("fd00::2")}
	far := ip
	far.Extensions = []packettest.Extension{{Proto: 60, Bytes: make([]byte, 8)}}
	zero := func(ip packettest.IP) []byte { // a payload that makes the checksum 0, written 0xffff
		pkt := packettest.UDP{IP: ip, Payload: make([]byte, 2)}.Build()
		sum := pkt[packettest.Transport(pkt)+6:][:2]
		return packettest.UDP{IP: ip, Payload: sum}.Build()
	}
	change := func(pkt []byte, at int, v uint16) []byte {
		pkt = bytes.Clone(pkt)
		binary.BigEndian.PutUint16(pkt[at:], v)
		return pkt
	}
	tcp, tunnel := packettest.TCP{IP: far, Payload: make([]byte, 9)}.Build(), packettest.UDP{IP: ip, Unchecked: true}.Build()
	v4 := packettest.UDP{IP: testIP, Unchecked: true}.Build()
	for name, c := range map[string]struct{ pkt, want []byte }{
		"length without extension headers": {change(tcp, 4, 29), tcp},
		"UDP checksum 0":                   {change(zero(ip), 46, 0), zero(ip)},
		"behind extension headers too":     {change(zero(far), 54, 0), zero(far)},
		"TCP":                              {bytes.Clone(tcp), tcp},
		"UDP without a checksum":           {bytes.Clone(tunnel), tunnel},
		"IPv4":                             {bytes.Clone(v4), v4},
		"too short":                        {[]byte{0x60}, []byte{0x60}},
		"empty":                            {nil, nil},
	} {
		repair(c.pkt)
		if !bytes.Equal(c.pkt, c.want) {
			t.Errorf("%s:\n%x, want\n%x", name, c.pkt, c.want)
		}
	}
}
