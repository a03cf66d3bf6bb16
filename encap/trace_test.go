package encap

import (
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/weftnet/weft/trust"
)

func traceQuestion() TraceQuestion {
	return TraceQuestion{ID: 1 << 63, Next: 1<<64 - 1, Src: netip.MustParseAddr("fd00:244::1"), Dst: netip.MustParseAddr("fd00:244:1::9")}
}

// longestAnswer is an answer in which everything is as long as it may be.
func longestAnswer() TraceAnswer {
	return TraceAnswer{
		ID: math.MaxUint64, Clock: math.MinInt64, From: math.MaxUint64, Seen: netip.MustParseAddrPort("[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
		Back: []trust.Number{math.MaxUint64, math.MaxUint64, math.MaxUint64}, Verdict: strings.Repeat("x", MaxVerdict),
	}
}

func TestATraceIsReadAsWritten(t *testing.T) {
	for _, want := range []TraceQuestion{traceQuestion(), {ID: 1}, {ID: 1, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}} {
		if got, err := ParseTrace(want.Append(nil)); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, want := range []TraceAnswer{longestAnswer(), {ID: 1}} {
		if got, err := ParseTraceAnswer(want.Append(nil)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestNoAnswerToATraceIsLongerThanItsQuestion(t *testing.T) {
	question, long := len(TraceQuestion{ID: 1}.Append(nil)), longestAnswer()
	long.Verdict += "and more"
	if answer := len(long.Append(nil)) + MaxRelayFront; question != MaxTrace || answer > question {
		t.Errorf("%d bytes answer %d, with the front of a relay frame", answer, question)
	}
	short := traceQuestion().Append(nil)[:MaxTrace-1]
	if _, err := ParseTrace(short); !errors.Is(err, ErrPayload) {
		t.Errorf("a question of %d bytes: %v", len(short), err)
	}
}

func TestTracesOutOfBoundsAreRefused(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	for _, q := range []TraceQuestion{
		{}, {ID: 1, Src: a}, {ID: 1, Dst: a}, {ID: 1, Src: a, Dst: b}, {ID: 1, Src: b, Dst: netip.MustParseAddr("fe80::1%eth0")},
		{ID: 1, Src: b, Dst: netip.MustParseAddr("::ffff:10.0.0.1")},
	} {
		if _, err := ParseTrace(q.Append(nil)); !errors.Is(err, ErrPayload) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	for _, answer := range []TraceAnswer{{}, {ID: 1, Back: make([]trust.Number, MaxRelays+1)}, {ID: 1, Seen: netip.MustParseAddrPort("[100::1]:0")}} {
		if _, err := ParseTraceAnswer(answer.Append(nil)); !errors.Is(err, ErrPayload) {
			t.Errorf("%+v: %v", answer, err)
		}
	}
}

func TestWhatAPeerSaysInATraceIsPrintable(t *testing.T) {
	got, err := ParseTraceAnswer(TraceAnswer{ID: 1, Verdict: "no\x1b[2Jroute"}.Append(nil))
	if err != nil || got.Verdict != "no?[2Jroute" {
		t.Errorf("%q, %v", got.Verdict, err)
	}
}

func FuzzParseTrace(f *testing.F) {
	f.Add(traceQuestion().Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := ParseTrace(raw)
		if err != nil {
			return
		}
		if again, err := ParseTrace(q.Append(nil)); err != nil || again != q {
			t.Errorf("%+v becomes %+v, %v", q, again, err)
		}
	})
}

func FuzzParseTraceAnswer(f *testing.F) {
	f.Add(longestAnswer().Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := ParseTraceAnswer(raw)
		if err != nil {
			return
		}
		out := a.Append(nil)
		again, err := ParseTraceAnswer(out)
		if err != nil || len(out) > MaxTrace || again.ID != a.ID || again.Verdict != a.Verdict || len(again.Back) != len(a.Back) {
			t.Errorf("%+v becomes %+v, %v", a, again, err)
		}
	})
}
