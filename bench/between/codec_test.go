package between

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/bench/load"
)

func TestEveryMessageIsReadAsItWasWritten(t *testing.T) {
	cases := []struct{ sent, read message }{
		{&hello{Weft: "v1", Node: "vm-1", Host: "Linux"}, new(hello)},
		{&welcome{Weft: "v1", Refused: refusedBusy, Reason: "busy", MaxTime: time.Minute, MaxWithin: time.Second, MaxRate: 5}, new(welcome)},
		{&request{Number: 1, Op: opPing}, new(request)},
		{startRequest(), new(request)},
		{&reply{Number: 7, Job: 3, Port: 65535, Tally: newTally(load.Tally{
			Connections: 1, Bytes: 1 << 60, Datagrams: 4, Highest: 5, Duplicates: 2, Elapsed: 1, LongestGap: 2, Overflow: 3,
		})}, new(reply)},
	}
	for _, c := range cases {
		var wire bytes.Buffer
		if err := writeFrame(&wire, c.sent); err != nil {
			t.Fatal(err)
		}
		if err := readFrame(&wire, c.read); err != nil || !reflect.DeepEqual(c.sent, c.read) || wire.Len() > 0 {
			t.Errorf("%+v is read as %+v, %v", c.sent, c.read, err)
		}
	}
}

func startRequest() *request {
	return &request{Number: 2, Op: opStart, Kind: load.EchoUDP, Token: make([]byte, 16), Within: time.Minute, Host: netip.MustParseAddr("192.0.2.1")}
}

func TestMessagesOutOfBoundsAreRefused(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	cases := map[string]message{
		"a long name":               &hello{Node: long},
		"a long reason":             &welcome{Reason: long},
		"negative limits":           &welcome{MaxTime: -1},
		"a request without number":  &request{Op: opPing},
		"an unknown request":        &request{Number: 1, Op: lastOp + 1},
		"a long kind":               &request{Number: 1, Op: opStart, Kind: load.Kind(long)},
		"a short token":             with(func(q *request) { q.Token = q.Token[1:] }),
		"a job of negative time":    with(func(q *request) { q.Within = -1 }),
		"no host":                   with(func(q *request) { q.Host = netip.Addr{} }),
		"a host with a zone":        with(func(q *request) { q.Host = netip.MustParseAddr("fe80::1%eth0") }),
		"a mapped host":             with(func(q *request) { q.Host = netip.MustParseAddr("::ffff:192.0.2.1") }),
		"a long error":              &reply{Error: long},
		"negative times":            &reply{Tally: &tally{Elapsed: -1}},
		"more duplicates than sent": &reply{Tally: &tally{Datagrams: 1, Duplicates: 2}},
	}
	for name, m := range cases {
		var wire bytes.Buffer
		if err := writeFrame(&wire, m); err != nil {
			t.Fatal(err)
		}
		read := reflect.New(reflect.TypeOf(m).Elem()).Interface().(message)
		if err := readFrame(&wire, read); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func with(change func(*request)) *request {
	q := startRequest()
	change(q)
	return q
}

func TestFramesOfNoOrTooMuchLengthAreRefusedBeforeTheyAreRead(t *testing.T) {
	for _, head := range []string{"\x00\x00\x00\x00", "\x00\x00\x10\x01", "\xff\xff\xff\xff"} {
		if err := readFrame(io.MultiReader(strings.NewReader(head), failing{}), new(hello)); !errors.Is(err, errFrame) {
			t.Errorf("length %x: %v", head, err)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the body is read") }

func TestTheEndInsideOfAMessageIsToldFromTheEndBetweenTwo(t *testing.T) {
	var wire bytes.Buffer
	if err := writeFrame(&wire, startRequest()); err != nil {
		t.Fatal(err)
	}
	whole := wire.Bytes()
	for n := range whole {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if err := readFrame(bytes.NewReader(whole[:n]), new(request)); !errors.Is(err, want) || n > 0 && err == io.EOF {
			t.Errorf("after %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	fuzzMessage(f, startRequest(), func() message { return new(request) })
}

func FuzzReadReply(f *testing.F) {
	fuzzMessage(f, &reply{Number: 1, Job: 1, Port: 9, Tally: &tally{Bytes: 1, LongestGap: 5}}, func() message { return new(reply) })
}

func FuzzReadWelcome(f *testing.F) {
	fuzzMessage(f, &welcome{Weft: "v1", Node: "vm-1", MaxTime: 1, MaxRate: 1}, func() message { return new(welcome) })
}

func FuzzReadHello(f *testing.F) {
	fuzzMessage(f, &hello{Weft: "v1", Node: "vm-1"}, func() message { return new(hello) })
}

// fuzzMessage: what is read is within bounds, and survives being written and read again.
func fuzzMessage(f *testing.F, seed message, empty func() message) {
	var wire bytes.Buffer
	if err := writeFrame(&wire, seed); err != nil {
		f.Fatal(err)
	}
	f.Add(wire.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, again := empty(), empty()
		if readFrame(bytes.NewReader(b), m) != nil {
			return
		}
		var wire bytes.Buffer
		if err := writeFrame(&wire, m); err != nil {
			t.Fatalf("%+v cannot be written: %v", m, err)
		}
		if err := readFrame(&wire, again); err != nil {
			t.Fatalf("%+v cannot be read: %v", m, err)
		}
	})
}
