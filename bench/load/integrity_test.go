package load

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
)

func TestWhatComesBackUnharmedIsOK(t *testing.T) {
	r, err := Integrity(soon(t), Here{}, testServer(t), IntegrityOptions{Bytes: 1<<20 + 1, MTU: 1400})
	if err != nil || !r.OK || len(r.Sum) != 64 || r.Datagrams != len(integritySizes(1400-28)) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOneChangedBitIsFoundAndDescribed(t *testing.T) {
	far := relayed{Far: testServer(t),
		forward: func(b []byte, out func([]byte)) {
			if len(b) == 1000 {
				b[500] ^= 1
			}
			out(b)
		},
		pipe: func(from, to net.Conn, up bool) {
			defer to.Close()
			b := make([]byte, 4096)
			for total := 0; ; {
				n, err := from.Read(b)
				if err != nil {
					return
				}
				if at := 20_000 + 16; up && total <= at && at < total+n { // after the token
					b[at-total] ^= 0x80
				}
				total += n
				if _, err := to.Write(b[:n]); err != nil {
					return
				}
			}
		}}
	r, err := Integrity(soon(t), Here{}, far, IntegrityOptions{Bytes: 100_000, Sizes: []int{999, 1000, 1001}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"TCP: 1 of 100000 bytes differ, the first at offset 20000 of 100000",
		"UDP: 1 bytes of a datagram of 1000 differ, the first at offset 500",
	}
	if r.OK || r.Datagrams != 2 || !slices.Equal(r.Differences, want) {
		t.Errorf("%+v; want %q", r, want)
	}
}

func TestDatagramsThatNeverComeBackAreNamedBySize(t *testing.T) {
	far := relayed{Far: testServer(t), pipe: copyAll, forward: func(b []byte, out func([]byte)) {
		if len(b) != 700 {
			out(b)
		}
	}}
	r, err := Integrity(soon(t), Here{}, far, IntegrityOptions{Bytes: 1000, Sizes: []int{600, 700, 800}})
	if err != nil || r.OK || !slices.Equal(r.Missing, []int{700}) || r.Datagrams != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAConnectionThatEndsInTheMiddleIsAnErrorThatSaysWhere(t *testing.T) {
	far := relayed{Far: testServer(t), pipe: func(from, to net.Conn, up bool) {
		b := make([]byte, 16)
		_, _ = from.Read(b)
		_, _ = to.Write(b)
		from.Close()
		to.Close()
	}}
	_, err := Integrity(soon(t), Here{}, far, IntegrityOptions{Bytes: 1 << 20})
	if err == nil || !strings.Contains(err.Error(), "integrity over TCP from this host to") || !strings.Contains(err.Error(), "bytes before the end") {
		t.Errorf("error = %v", err)
	}
}

func TestIntegrityEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := testServer(t)
	done := make(chan error)
	go func() {
		_, err := Integrity(ctx, Here{}, s, IntegrityOptions{Bytes: 1 << 40})
		done <- err
	}()
	await(t, "the job runs", func() bool { return s.Jobs() > 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestIntegrityRefusesSizesThatAreNone(t *testing.T) {
	for _, o := range []IntegrityOptions{{Bytes: -1}, {MTU: 50}, {MTU: 70000}, {Bytes: 1, Sizes: []int{15}}} {
		if _, err := Integrity(soon(t), Here{}, testServer(t), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func TestTheSizesReachTheLargestAndTheSmallest(t *testing.T) {
	sizes := integritySizes(1472)
	if sizes[0] != 16 || sizes[len(sizes)-1] != 1472 || !slices.IsSorted(sizes) || len(sizes) > 200 {
		t.Errorf("%v", sizes)
	}
}
