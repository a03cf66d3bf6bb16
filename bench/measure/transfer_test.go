package measure

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
)

func golden(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestBothDirectionsAreReadFromTheirReceivers(t *testing.T) {
	got, err := parseTransfer(golden(t, "bidir.json"), true)
	want := transfer{Bytes: 4739563520 + 473786368, Up: 37898354848.0278, Down: 3788476263.869607, Retransmits: 3}
	if err != nil || got != want {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
}

func TestOneDirectionIsReadWithoutTheOther(t *testing.T) {
	got, err := parseTransfer(golden(t, "bidir.json"), false)
	if err != nil || got.Bytes != 4739563520 || got.rate() != got.Up {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTransferThatWasNoneIsAnError(t *testing.T) {
	for raw, want := range map[string]string{
		``:                                       "output of iperf3",
		`{}`:                                     "there is no sum",
		`{"end":{},"error":"unable to connect"}`: "unable to connect",
		`{"end":{"sum_sent":{"bytes":5},"sum_received":{"bytes":0}}}`:               "nothing arrived",
		`{"end":{"sum_sent":{},"sum_received":{"bytes":5,"bits_per_second":8}}}`:    "no sum of the other direction",
		`{"end":{"sum_sent":{},"sum_received":{"bytes":-5,"bits_per_second":"8"}}}`: "output of iperf3",
		`{"end":{"sum_sent":{},"sum_received":{"bytes":5,"bits_per_second":8}}} {}`: "output of iperf3",
	} {
		_, err := parseTransfer([]byte(raw), true)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", raw, err, want)
		}
	}
}

func TestLengthIsRoundedUpToWholeSeconds(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		0: time.Second, time.Millisecond: time.Second, time.Second: time.Second, time.Second + 1: 2 * time.Second,
		2500 * time.Millisecond: 3 * time.Second,
	} {
		if got := wholeSeconds(d); got != want {
			t.Errorf("%v: %v, want %v", d, got, want)
		}
	}
}

func TestListenerIsFoundByPortAndState(t *testing.T) {
	const text = "  sl  local_address rem_address   st tx_queue\n" +
		"   0: 0A025A0A:1451 00000000:0000 0A 00000000\n   1: 0A025A0A:1452 0A015A0A:9999 01 00000000\n"
	for port, want := range map[int]bool{5201: true, 5202: false, 5203: false} {
		if got := hasListener(text, port); got != want {
			t.Errorf("port %d listens: %v, want %v", port, got, want)
		}
	}
}

func TestTransferThatFindsNoWayFailsInOneLineThatNamesBothEnds(t *testing.T) {
	needIperf(t)
	target, l := testTarget(t, lab.Options{})
	if err := l.Hosts()[1].Isolate(); err != nil {
		t.Fatal(err)
	}
	_, err := bulk{streams: 1}.Run(soon(t), target, short)
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v: want one line", err)
	}
	for _, part := range []string{"a-pod", "b-pod", "10.90.2.10"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: does not name %s", err, part)
		}
	}
}

func TestInterruptedTransferEndsAtOnceAndTheNextOneWorks(t *testing.T) {
	needIperf(t)
	target, _ := testTarget(t, lab.Options{})
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	_, err := iperf{streams: 1, length: time.Hour}.during(ctx, target, func(context.Context) error {
		cancel()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if busy, err := listens(target.To, iperfPort); busy || err != nil {
		t.Errorf("the server still listens: %v, %v", busy, err)
	}
	if _, err := (bulk{streams: 1}).Run(soon(t), target, short); err != nil {
		t.Error(err)
	}
}

func TestWhatOutlastsItsLoadIsAnError(t *testing.T) {
	l := &underLoad{ended: make(chan struct{})}
	flows := func() (bool, error) { return true, nil }
	err := l.run(soon(t), flows, func(context.Context) error { close(l.ended); return nil })
	if !errors.Is(err, errLoadEnded) {
		t.Errorf("measured without load: %v", err)
	}
}

func TestNothingIsMeasuredUnderALoadThatNeverFlowed(t *testing.T) {
	l := &underLoad{ended: make(chan struct{})}
	close(l.ended)
	broken := errors.New("broken")
	for want, flows := range map[error]func() (bool, error){
		errLoadEnded: func() (bool, error) { return false, nil },
		broken:       func() (bool, error) { return false, broken },
	} {
		err := l.run(soon(t), flows, func(context.Context) error {
			t.Error("measured without load")
			return nil
		})
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
