package packet_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

const ack = packettest.ACK

func tcpOf(ip packettest.IP, flags uint8, payload int) packettest.TCP {
	return packettest.TCP{
		IP: ip, SrcPort: 1, DstPort: 2, Seq: 1 << 31, Ack: 7, Window: 9, Flags: flags,
		Options: []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}, Payload: make([]byte, payload),
	}
}

func udpOf(ip packettest.IP, payload int) packettest.UDP {
	return packettest.UDP{IP: ip, SrcPort: 1, DstPort: 2, Payload: make([]byte, payload)}
}

// counts is how many segments each of the packets stands for.
func counts(packets []packet.Superpacket) (all []int) {
	for _, p := range packets {
		all = append(all, max(1, len(p.Tail)))
	}
	return all
}

func wantCounts(t *testing.T, what string, in []arrival, want ...int) {
	t.Helper()
	got := coalesce(t, in)
	if n := counts(got); !slices.Equal(n, want) {
		t.Errorf("%s: packets of %v segments, want %v", what, n, want)
	}
	checkJoined(t, in, got)
}

// at changes the byte of a packet to what it is with the bits of mask turned.
func at(i int, mask byte) func([]byte) { return func(pkt []byte) { pkt[i] ^= mask } }

func TestSegmentsWhoseHeadersDifferAreNotJoined(t *testing.T) {
	options4, flow6 := ip4, chain(padding(60))
	options4.Options = []byte{7, 7, 4, 0, 0, 0, 0, 0}
	for name, c := range map[string]struct {
		ip     packettest.IP
		change func([]byte)
	}{
		"TOS":                        {ip4, at(1, 4)},
		"ECN":                        {ip4, at(1, 3)},
		"identification the same":    {ip4, at(5, 1)},
		"identification two more":    {ip4, at(5, 3)},
		"Don't Fragment":             {ip4, at(6, 0x40)},
		"reserved IPv4 flag":         {ip4, at(6, 0x80)},
		"TTL":                        {ip4, at(8, 1)},
		"source":                     {ip4, at(15, 1)},
		"destination":                {ip4, at(19, 1)},
		"IPv4 option":                {options4, at(23, 4)},
		"ports":                      {ip4, at(20, 1)},
		"TCP sequence too small":     {ip4, at(27, 0x64)},
		"TCP sequence too big":       {ip4, at(26, 1)},
		"TCP acknowledgement":        {ip4, at(31, 1)},
		"reserved TCP bits":          {ip4, at(32, 1)},
		"no ACK":                     {ip4, at(33, ack)},
		"SYN":                        {ip4, at(33, packettest.SYN)},
		"RST":                        {ip4, at(33, packettest.RST)},
		"URG":                        {ip4, at(33, packettest.URG)},
		"ECE":                        {ip4, at(33, packettest.ECE)},
		"CWR on the second":          {ip4, at(33, packettest.CWR)},
		"window":                     {ip4, at(35, 1)},
		"urgent pointer":             {ip4, at(39, 1)},
		"timestamp":                  {ip4, at(47, 2)},
		"echoed timestamp":           {ip4, at(51, 1)},
		"other order of TCP options": {ip4, func(pkt []byte) { copy(pkt[40:], []byte{8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1}) }},
		"traffic class":              {ip6, at(0, 4)},
		"flow label":                 {ip6, at(3, 1)},
		"hop limit":                  {ip6, at(7, 1)},
		"IPv6 source":                {ip6, at(8, 0x10)},
		"IPv6 extension header":      {flow6, at(45, 1)},
	} {
		for _, partial := range []bool{false, true} {
			segs := tcpOf(c.ip, ack, 200).Segments(100)
			c.change(segs[1])
			repair(segs[1])
			wantCounts(t, name, arrivals(segs, partial), 1, 1)
		}
	}
}

// repair makes the checksums right for what the packet now says.
func repair(pkt []byte) {
	h, err := packet.Parse(pkt)
	if err != nil {
		panic(err)
	}
	if h.Version == 4 {
		clear(pkt[10:12])
		binary.BigEndian.PutUint16(pkt[10:], ^packet.Fold(packet.Sum(pkt[:h.L4], 0)))
	}
	start, offset := packettest.Partial(pkt)
	if err := packet.CompleteChecksum(pkt, start, offset); err != nil {
		panic(err)
	}
}

func TestUDPDatagramsWhoseHeadersDifferAreNotJoined(t *testing.T) {
	for name, c := range map[string]struct {
		ip     packettest.IP
		change func([]byte)
	}{
		"ports":      {ip4, at(23, 1)},
		"ECN":        {ip4, at(1, 3)},
		"flow label": {ip6, at(1, 1)},
		"hop limit":  {ip6, at(7, 1)},
	} {
		for _, partial := range []bool{false, true} {
			segs := udpOf(c.ip, 200).Segments(100)
			c.change(segs[1])
			repair(segs[1])
			wantCounts(t, name, arrivals(segs, partial), 1, 1)
		}
	}
}

func TestUDPDatagramsThatMayNotBeFragmentedAreJoinedWhateverStepTheirIdentificationTakes(t *testing.T) {
	fragmentable := ip4
	fragmentable.NoDF = true
	for name, c := range map[string]struct {
		ip   packettest.IP
		ids  []uint16
		want []int
	}{
		"grows by one":      {ip4, []uint16{7, 8, 9}, []int{3}},
		"stays":             {ip4, []uint16{0, 0, 0}, []int{3}},
		"stays, then grows": {ip4, []uint16{7, 7, 8}, []int{2, 1}},
		"grows, then stays": {ip4, []uint16{7, 8, 8}, []int{2, 1}},
		"jumps":             {ip4, []uint16{7, 9, 11}, []int{1, 1, 1}},
		"stays, without DF": {fragmentable, []uint16{7, 7, 7}, []int{1, 1, 1}},
	} {
		var in []arrival
		for _, id := range c.ids {
			udp := udpOf(c.ip, 100)
			udp.ID = id
			in = append(in, arrivals([][]byte{udp.Build()}, true)...)
		}
		wantCounts(t, name, in, c.want...)
	}
}

func TestWrongChecksumIsNeitherJoinedNorRepaired(t *testing.T) {
	for name, at := range map[string]int{"IPv4 header": 10, "transport": 20 + 16} {
		for _, partial := range []bool{false, true} {
			for wrong := range 3 {
				in := arrivals(tcpOf(ip4, ack, 300).Segments(100), partial)
				in[wrong].pkt[at] ^= 1
				before := bytes.Clone(in[wrong].pkt)
				got := coalesce(t, in)
				want := [][]int{{1, 2}, {1, 1, 1}, {2, 1}}[wrong]
				if n := counts(got); !slices.Equal(n, want) {
					t.Fatalf("%s, segment %d: packets of %v segments, want %v", name, wrong, n, want)
				}
				alone := got[[]int{0, 1, 1}[wrong]]
				if !bytes.Equal(alone.Data, before) || alone.Partial() != partial {
					t.Errorf("%s, segment %d: the packet was changed", name, wrong)
				}
			}
		}
	}
}

func TestWrongPayloadUnderACompleteChecksumIsNotJoined(t *testing.T) {
	segs := udpOf(ip6, 300).Segments(100)
	segs[1][60] ^= 1
	wantCounts(t, "wrong payload", arrivals(segs, false), 1, 1, 1)
}

func TestUDPWithoutChecksumIsNeverJoined(t *testing.T) {
	for _, ip := range []packettest.IP{ip4, ip6} {
		udp := udpOf(ip, 300)
		udp.Unchecked = true
		wantCounts(t, "complete", arrivals(udp.Segments(100), false), 1, 1, 1)
		var in []arrival
		for _, pkt := range udp.Segments(100) {
			in = append(in, arrival{pkt, true}) // a zero is not the sum of the pseudo header
		}
		if n := counts(coalesce(t, in)); !slices.Equal(n, []int{1, 1, 1}) {
			t.Errorf("said to be partial: packets of %v segments", n)
		}
	}
}

func TestUncheckedDatagramThatWouldVerifyIsNotJoined(t *testing.T) {
	udp := udpOf(ip4, 200)
	segs := udp.Segments(100)
	copy(udp.Payload[100:], segs[1][26:28]) // now the checksum of the second is 0xffff, and a zero there has the same sum
	segs = udp.Segments(100)
	if u16(segs[1][26:]) != 0xffff {
		t.Fatalf("checksum %#04x", u16(segs[1][26:]))
	}
	wantCounts(t, "all ones", arrivals(segs, false), 2)
	clear(segs[1][26:28])
	wantCounts(t, "zero", arrivals(segs, false), 1, 1)
}

func TestPartialAndCompleteChecksumsAreJoined(t *testing.T) {
	in := arrivals(tcpOf(ip4, ack, 400).Segments(100), false)
	packettest.Partial(in[2].pkt)
	in[2].partial = true
	wantCounts(t, "one partial", in, 4)
}

// A complete checksum that looks like a partial one is wrong, and the other way round.
func TestChecksumOfTheOtherKindIsNotJoined(t *testing.T) {
	between := arrival{udpOf(ip4, 5).Build(), false}
	for name, other := range map[string][]arrival{"in a row": nil, "with another flow between": {between}} {
		in := arrivals(tcpOf(ip4, ack, 200).Segments(100), true)
		in[1].partial = false
		if n := counts(coalesce(t, slices.Insert(in, 1, other...))); len(n) != 2+len(other) {
			t.Errorf("partial said to be complete, %s: packets of %v segments", name, n)
		}
		for changed := 1; changed <= 2; changed++ {
			in = arrivals(tcpOf(ip4, ack, 300).Segments(100), false)
			copy(in[changed].pkt[36:38], in[changed-1].pkt[36:38])
			in[changed].partial = true
			if n := counts(coalesce(t, slices.Insert(in, changed, other...))); len(n) != 4-changed+len(other) {
				t.Errorf("complete said to be partial, %s: packets of %v segments", name, n)
			}
		}
	}
}

func TestTCPWithoutACKIsNeverJoined(t *testing.T) {
	wantCounts(t, "no flags", arrivals(tcpOf(ip4, 0, 300).Segments(100), true), 1, 1, 1)
	wantCounts(t, "SYN", arrivals(tcpOf(ip4, packettest.SYN, 300).Segments(100), true), 1, 1, 1)
	wantCounts(t, "URG", arrivals(tcpOf(ip4, ack|packettest.URG, 300).Segments(100), true), 1, 1, 1)
	wantCounts(t, "RST", arrivals(tcpOf(ip4, ack|packettest.RST, 300).Segments(100), true), 1, 1, 1)
}

func TestPacketShorterThanTheHeaderOfItsFlowIsNotJoined(t *testing.T) {
	short := tcpOf(ip4, ack, 1)
	short.Options = nil
	for _, partial := range []bool{false, true} {
		in := arrivals([][]byte{tcpOf(ip4, ack, 100).Build(), slices.Clip(short.Build())}, partial)
		wantCounts(t, "no options", in, 1, 1)
	}
}

func TestFlagsThatOnlyTheFirstOrTheLastSegmentMayHave(t *testing.T) {
	const first, last = packettest.CWR, packettest.PSH | packettest.FIN
	for name, c := range map[string]struct {
		flags [4]uint8
		want  []int
	}{
		"none":            {[4]uint8{}, []int{4}},
		"CWR on first":    {[4]uint8{first}, []int{4}},
		"CWR on second":   {[4]uint8{0, first}, []int{1, 3}},
		"CWR twice":       {[4]uint8{first, first}, []int{1, 3}},
		"PSH on last":     {[4]uint8{0, 0, 0, packettest.PSH}, []int{4}},
		"FIN on last":     {[4]uint8{0, 0, 0, packettest.FIN}, []int{4}},
		"both on last":    {[4]uint8{0, 0, 0, last}, []int{4}},
		"PSH in between":  {[4]uint8{0, packettest.PSH}, []int{2, 2}},
		"FIN in between":  {[4]uint8{0, packettest.FIN}, []int{2, 2}},
		"PSH on first":    {[4]uint8{packettest.PSH}, []int{1, 3}},
		"PSH everywhere":  {[4]uint8{8, 8, 8, 8}, []int{1, 1, 1, 1}},
		"CWR, PSH":        {[4]uint8{first, 0, 0, packettest.PSH}, []int{4}},
		"all on the last": {[4]uint8{0, 0, 0, first | last}, []int{3, 1}},
	} {
		for _, ece := range []uint8{0, packettest.ECE} {
			var segs [][]byte
			for i, flags := range c.flags {
				tcp := tcpOf(ip4, ack|ece|flags, 100)
				tcp.Seq += uint32(100 * i)
				tcp.ID = uint16(i)
				segs = append(segs, tcp.Build())
			}
			wantCounts(t, name, arrivals(segs, false), c.want...)
			wantCounts(t, name+", partial", arrivals(segs, true), c.want...)
		}
	}
}

func TestShorterSegmentEndsTheSuperpacket(t *testing.T) {
	sizes := func(sizes ...int) (segs [][]byte) {
		udp := udpOf(ip4, 0)
		for _, n := range sizes {
			udp.Payload = make([]byte, n)
			segs = append(segs, udp.Build())
			udp.ID++
		}
		return segs
	}
	for name, c := range map[string]struct {
		sizes, want []int
	}{
		"shorter last":      {[]int{9, 9, 8}, []int{3}},
		"then another":      {[]int{9, 9, 8, 8}, []int{3, 1}},
		"then one as long":  {[]int{9, 9, 8, 9}, []int{3, 1}},
		"longer":            {[]int{9, 9, 10, 10}, []int{2, 2}},
		"longer than first": {[]int{8, 9}, []int{1, 1}},
		"empty":             {[]int{9, 9, 0, 9, 9}, []int{2, 1, 2}},
		"only empty ones":   {[]int{0, 0}, []int{1, 1}},
	} {
		wantCounts(t, name, arrivals(sizes(c.sizes...), false), c.want...)
		wantCounts(t, name+", partial", arrivals(sizes(c.sizes...), true), c.want...)
	}
}

func TestWhatHasNoPortsEndsTheSuperpacketsOfItsAddresses(t *testing.T) {
	other := ip4
	other.Src = other.Src.Next()
	fragment := func(ip packettest.IP) []byte {
		pkt := udpOf(ip, 8).Build()
		pkt[6] = 0x20
		repairHeader(pkt)
		return pkt
	}
	trailing := func(ip packettest.IP) []byte { return append(udpOf(ip, 8).Build(), 0) }
	segs := tcpOf(ip4, ack, 400).Segments(100)
	for name, c := range map[string]struct {
		between []byte
		want    []int
	}{
		"acknowledgement":                {tcpOf(ip4, ack, 0).Build(), []int{2, 1, 2}},
		"fragment":                       {fragment(ip4), []int{2, 1, 2}},
		"ICMP":                           {ip4.Build(packet.ProtoICMP, make([]byte, 8)), []int{2, 1, 2}},
		"bytes behind the packet":        {trailing(ip4), []int{2, 1, 2}},
		"bytes behind a segment":         {append(bytes.Clone(segs[2]), 0), []int{2, 1, 2}},
		"nonsense":                       {[]byte{1, 2, 3}, []int{2, 1, 2}},
		"nothing":                        {nil, []int{2, 1, 2}},
		"another flow":                   {udpOf(ip4, 8).Build(), []int{4, 1}},
		"other host's acknowledgement":   {tcpOf(other, ack, 0).Build(), []int{4, 1}},
		"other host's fragment":          {fragment(other), []int{4, 1}},
		"other host's bytes behind":      {trailing(other), []int{4, 1}},
		"the other version's fragment":   {tcpOf(chain(ext(44, 0, 0, 0, 1, 0, 0, 0, 0)), ack, 8).Build(), []int{4, 1}},
		"the other version's extensions": {packettest.UDP{IP: chain(repeat(9)...)}.Build(), []int{4, 1}},
	} {
		in := arrivals(segs, false)
		in = slices.Insert(in, 2, arrival{c.between, false})
		wantCounts(t, name, in, c.want...)
	}
}

func repairHeader(pkt []byte) {
	clear(pkt[10:12])
	binary.BigEndian.PutUint16(pkt[10:], ^packet.Fold(packet.Sum(pkt[:20], 0)))
}

func TestFragmentsArePassedWhole(t *testing.T) {
	pkts := map[string][][]byte{
		"IPv4":        udpOf(ip4, 300).Segments(100),
		"IPv6":        udpOf(chain(ext(44, 0, 0, 0, 1, 0, 0, 0, 0)), 300).Segments(100),
		"IPv6 atomic": udpOf(chain(ext(44, 0, 0, 0, 0, 0, 0, 0, 0)), 300).Segments(100),
	}
	for _, pkt := range pkts["IPv4"] {
		pkt[6] = 0x20
		repairHeader(pkt)
	}
	for name, pkts := range pkts {
		wantCounts(t, name, arrivals(pkts, false), 1, 1, 1)
	}
}

func TestPinnedAndOverlongHeadersAreNotJoined(t *testing.T) {
	var long []byte
	for range 25 {
		long = append(long, 0, 0, 1, 4, 0, 0, 0, 0)
	}
	long[1] = 24
	for name, ip := range map[string]packettest.IP{
		"authentication":           chain(ext(51, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
		"routing, one to go":       chain(ext(43, 0, 0, 4, 1, 0, 0, 0, 0)),
		"headers beyond MaxHeader": chain(ext(60, long...)),
	} {
		wantCounts(t, name, arrivals(tcpOf(ip, ack, 300).Segments(100), false), 1, 1, 1)
	}
	wantCounts(t, "arrived route", arrivals(tcpOf(chain(ext(43, 0, 0, 4, 0, 0, 0, 0, 0)), ack, 300).Segments(100), false), 3)
}

func TestSuperpacketsAreNoLongerThanAnIPLengthAndAnIovec(t *testing.T) {
	// follow returns a segment of n bytes behind those of first.
	follow := func(first packettest.TCP, n int) []byte {
		next := first
		next.Seq += uint32(len(first.Payload))
		next.ID += uint16(len(first.Payload) / 1000)
		next.Payload = make([]byte, n)
		return next.Build()
	}
	sixty4, sixty6 := tcpOf(ip4, ack, 65000), tcpOf(ip6, ack, 65000)
	for name, c := range map[string]struct {
		segs [][]byte
		want []int
	}{
		"as long as IPv4 can be":   {append(sixty4.Segments(1000), follow(sixty4, 535-52)), []int{66}},
		"one byte more":            {append(sixty4.Segments(1000), follow(sixty4, 536-52)), []int{65, 1}},
		"a full segment more":      {append(sixty4.Segments(1000), follow(sixty4, 1000)), []int{65, 1}},
		"as long as IPv6 is taken": {append(sixty6.Segments(1000), follow(sixty6, 535-72)), []int{66}},
		"one byte more of IPv6":    {append(sixty6.Segments(1000), follow(sixty6, 536-72)), []int{65, 1}},
		"as many as fit":           {tcpOf(ip4, ack, 65500).Segments(655), []int{99, 1}}, // 100 would but for the header
		"a thousand segments":      {tcpOf(ip4, ack, 30*1000).Segments(30), []int{1000}},
		"a segment more":           {tcpOf(ip4, ack, 30*1001).Segments(30), []int{1000, 1}},
		"a shorter segment more":   {tcpOf(ip4, ack, 30*1000+1).Segments(30), []int{1000, 1}},
		"64 datagrams":             {udpOf(ip4, 64*30).Segments(30), []int{64}},
		"a datagram more":          {udpOf(ip6, 65*30).Segments(30), []int{64, 1}},
		"a shorter datagram more":  {udpOf(ip6, 64*30+1).Segments(30), []int{64, 1}},
	} {
		c2 := packet.NewCoalescer(packet.CoalescerOptions{TCP: true, UDP: true, Packets: 2000})
		for _, a := range arrivals(c.segs, true) {
			if err := c2.Add(a.pkt, a.partial); err != nil {
				t.Fatal(err)
			}
		}
		if n := counts(c2.Packets()); !slices.Equal(n, c.want) {
			t.Errorf("%s: packets of %v segments, want %v", name, n, c.want)
		}
	}
}
