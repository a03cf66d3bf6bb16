package alive

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weftnet/weft/encap"
)

// way is one way to a peer that a Selector compares.
type way struct {
	to         encap.Endpoint
	unclaimed  bool          // the peer was heard there, and does not say itself that it is
	translated bool          // addresses of ours are, on the way
	rtt        time.Duration // the least of the last round with an answer; 0: there was none
	silent     time.Time     // since when no round had an answer; zero: the last one had
	seen       time.Time     // the end of the last round with an answer
	wins       int           // rounds in a row in which it was better than the present way

	answers int           // in the present round
	best    time.Duration // the least round trip of these
}

// sameWay reports whether two endpoints are one way, as far as is known: an address of ours that the kernel chooses may be any.
func sameWay(a, b encap.Endpoint) bool {
	return a.Addr == b.Addr && (a.Local == b.Local || !a.Local.IsValid() || !b.Local.IsValid())
}

// settle takes the answers of a round in.
func (w *way) settle(began, now time.Time) {
	switch {
	case w.answers > 0:
		w.rtt, w.silent, w.seen = w.best, time.Time{}, now
	case w.silent.IsZero():
		w.silent = began
	}
}

// beats reports whether a way was better than another in the same round, and in what.
func (w *way) beats(o *way) (in quality) {
	switch {
	case w.answers < compareEnough || o.answers < compareEnough || o.clearlyBefore(w):
		return 0
	case w.clearlyBefore(o):
		return roundTrip
	}
	for _, q := range []quality{untranslated, shortHeader, private} {
		if w.has(q) != o.has(q) {
			if w.has(q) {
				return q
			}
			return 0
		}
	}
	return 0
}

// clearlyBefore reports whether a way's round trip is less by more than chance.
func (w *way) clearlyBefore(o *way) bool { return o.best-w.best > max(compareMargin, o.best/4) }

// quality is what one way has, and another has not. The zero value is none.
type quality uint8

// The qualities, the most important ones first.
const (
	roundTrip quality = 1 + iota
	untranslated
	shortHeader
	private
)

func (w *way) has(q quality) bool {
	switch q {
	case private:
		return w.to.Addr.Addr().IsPrivate()
	case untranslated:
		return !w.translated
	}
	return w.to.Addr.Addr().Is4()
}

// reason says in words why a way is preferred to another.
func (w *way) reason(q quality, than *way) string {
	before := than.to.Addr
	switch q {
	case roundTrip:
		return fmt.Sprintf("its round trip is %s, and %s that of %s", milliseconds(w.best), milliseconds(than.best), before)
	case private:
		return fmt.Sprintf("it is private, and about as near as %s", before)
	case untranslated:
		return fmt.Sprintf("no NAT is on the way, as with %s, and it is about as near", before)
	}
	return fmt.Sprintf("headers of IPv4 leave more room, and it is about as near as %s", before)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// Result is what a Selector knows of one endpoint of a peer.
type Result struct {
	Endpoint netip.AddrPort
	Local    netip.Addr    // ours that it is reached from; invalid: the kernel chooses
	Present  bool          // the direct link leads there
	RTT      time.Duration // the least of three probes, when it answered last; 0: it never did
	Silent   time.Time     // since when it does not answer; zero: it does, or was not asked yet
}

func (w *way) result() Result {
	return Result{Endpoint: w.to.Addr, Local: w.to.Local, RTT: w.rtt, Silent: w.silent}
}
