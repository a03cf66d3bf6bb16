package load

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// gentle is a rate that any machine carries.
var gentle = DatagramsOptions{Payload: 1200, Train: 10, Rate: 2000, Duration: 50 * time.Millisecond}

func TestTrainsArriveIntact(t *testing.T) {
	for _, train := range []int{0, 1, 10, 54} {
		o := gentle
		o.Train = train
		r, err := Datagrams(soon(t), Here{}, testServer(t), o)
		if err != nil || r.Sent == 0 || r.Received != r.Sent || r.Damaged+r.Duplicates+r.Overflow != 0 {
			t.Errorf("trains of %d: %+v, %v", train, r, err)
		}
		if unit := uint64(max(train, 1)); r.Sent%unit != 0 {
			t.Errorf("trains of %d: %d datagrams were sent", train, r.Sent)
		}
	}
}

func TestTrainsArriveIntactBetweenNamespaces(t *testing.T) {
	_, a, _, far := twoHosts(t, lab.Options{})
	r, err := Datagrams(soon(t), a, far, gentle)
	if err != nil || r.Sent == 0 || r.Received != r.Sent || r.Damaged != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestEveryKindOfDamageIsCounted(t *testing.T) {
	const spoiled = 7 // the number of the datagram, in the order of passing
	var last []byte
	for name, spoil := range map[string]func(b []byte) []byte{
		"a bit of the content":    func(b []byte) []byte { b[1000] ^= 1; return b },
		"the last byte":           func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b },
		"the token":               func(b []byte) []byte { b[0] ^= 1; return b },
		"the number":              func(b []byte) []byte { b[15] ^= 1; return b },
		"a byte too few":          func(b []byte) []byte { return b[:len(b)-1] },
		"a byte too many":         func(b []byte) []byte { return append(b, 0) },
		"content of a neighbour":  func(b []byte) []byte { copy(b[600:], last[600:]); return b },
		"cut down to its token":   func(b []byte) []byte { return b[:8] },
		"an empty one":            func(b []byte) []byte { return b[:0] },
		"two bytes that are like": func(b []byte) []byte { b[500], b[501] = b[501]+1, b[500]; return b },
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			far := relayed{Far: testServer(t), forward: func(b []byte, out func([]byte)) {
				if len(b) < checkedLen || b[checkedLen] != content(parsed(b), 1)[0] {
					out(b) // those that look whether the path is there
					return
				}
				if n++; n == spoiled {
					b = spoil(b)
				} else {
					last = slices.Clone(b)
				}
				out(b)
			}}
			r, err := Datagrams(soon(t), Here{}, far, gentle)
			for err == nil && r.Sent < spoiled { // the sender got no processor in its time
				n = 0
				r, err = Datagrams(soon(t), Here{}, far, gentle)
			}
			if err != nil || r.Damaged != 1 || r.Received != r.Sent-1 {
				t.Errorf("%+v, %v; want one to be damaged", r, err)
			}
		})
	}
}

// parsed is the sequence number of a datagram, whatever its token.
func parsed(b []byte) uint64 {
	seq, _ := parseHead(b, Token(append(slices.Clone(b[:8]), make([]byte, 8)...)))
	return seq
}

// The kernel joins datagrams for the receiver; the last of them may be shorter.
func TestJoinedDatagramsAreTakenApart(t *testing.T) {
	s, err := listenOn(Here{}, loopback, unix.SOCK_DGRAM)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	r := newTrainReceiver(s, Token{1}, newGuests(Job{}))
	if err := s.limit(unix.SO_RCVTIMEO, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	train := make([]byte, 250)
	putChecked(train[:100], Token{1}, 0)
	putChecked(train[100:200], Token{1}, 1)
	putChecked(train[200:], Token{1}, 2)
	sender, err := newSocket(Here{}, unix.SOCK_DGRAM, false)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.close()
	to, err := s.local()
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.connect(to); err != nil {
		t.Fatal(err)
	}
	if err := sender.set(unix.IPPROTO_UDP, unix.UDP_SEGMENT, 100); err != nil {
		t.Skip("this kernel has no UDP_SEGMENT: ", err)
	}
	if _, err := sender.send(train); err != nil {
		t.Fatal(err)
	}
	var seqs []uint64
	for len(seqs) < 3 {
		if err := r.receive(); err != nil {
			t.Fatal(err)
		}
		if r.damaged != 0 {
			t.Fatalf("%d are damaged", r.damaged)
		}
		seqs = append(seqs, r.seqs...)
	}
	if !slices.Equal(seqs, []uint64{0, 1, 2}) {
		t.Errorf("%v arrived", seqs)
	}
}

func TestStrangersDoNotDamageAJobThatIsForCertainAddresses(t *testing.T) {
	server := testServer(t)
	remote, err := server.Start(soon(t), Job{Kind: CheckUDP, Token: Token{1}, Within: time.Minute, From: []netip.Addr{loopback}})
	if err != nil {
		t.Fatal(err)
	}
	n := &near{operation: "a test", place: Here{}, remote: remote, token: Token{1}, to: remote.Addr()}
	s, release, err := n.dialUDP(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	good := make([]byte, 100)
	putChecked(good, n.token, 0)
	for _, b := range [][]byte{[]byte("nobody knows me"), good} {
		if _, err := s.send(b); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "it arrives", func() bool { return tally(t, remote).Datagrams == 1 })
	if got := tally(t, remote); got.Damaged != 0 || got.Bytes != 100 {
		t.Errorf("%+v", got)
	}
	if _, err := remote.Finish(soon(t)); err != nil {
		t.Error(err)
	}
}

func TestTrainsThatNoSendTakesAreRefused(t *testing.T) {
	for _, o := range []DatagramsOptions{
		{Payload: 17, Duration: time.Second},
		{Payload: 1200, Train: 55, Duration: time.Second},
		{Payload: 100, Train: 65, Duration: time.Second},
		{Payload: 100, Rate: -1, Duration: time.Second},
		{Payload: 100},
	} {
		if r, err := Datagrams(soon(t), Here{}, testServer(t), o); err == nil {
			t.Errorf("%+v: %+v", o, r)
		}
	}
}

func TestTheRateOfTrainsIsSearchedToo(t *testing.T) {
	r, err := PacketRate(soon(t), Here{}, testServer(t), PacketRateOptions{
		Payload: 1200, Train: 32, Trial: 30 * time.Millisecond, Trials: 3, Limit: 3200,
	})
	if err != nil || r.PPS == 0 || r.Damaged != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
