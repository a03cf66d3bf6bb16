package doctor

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/node/api"
)

// Clock is what the kernel knows of its own clock.
type Clock struct {
	Synchronised bool
	Err          error
}

// timeError is the state of a clock that nobody disciplines (adjtimex(2)).
const timeError = 5

func readClock() Clock {
	var t unix.Timex
	state, err := unix.Adjtimex(&t) // modes 0: reads only
	return Clock{Synchronised: err == nil && state != timeError && t.Status&unix.STA_UNSYNC == 0, Err: err}
}

// muchSkew is how far clocks may be apart. The age of claims is compared in seconds, and people compare logs.
const muchSkew = 5 * time.Second

func checkClock(f *Facts) []Check {
	return append(checkSync(f), checkSkew(f)...)
}

func checkSync(f *Facts) []Check {
	switch {
	case f.Clock.Err != nil:
		return one("clock", Warn, "the kernel does not say whether its clock is synchronised: "+f.Clock.Err.Error(), "")
	case !f.Clock.Synchronised:
		return mended("clock", Warn, "nothing keeps the clock of this machine right", "timedatectl set-ntp true",
			" (or start chrony, or ntpd); 'timedatectl' then says 'synchronized: yes' within minutes")
	}
	return one("clock", OK, "synchronised", "")
}

func checkSkew(f *Facts) []Check {
	var apart []string
	known := 0
	for _, p := range f.Peers {
		if p.Skew == nil {
			continue
		}
		known++
		skew := time.Duration(*p.Skew) * time.Millisecond
		if skew.Abs() > muchSkew {
			apart = append(apart, skewText(p, skew))
		}
	}
	switch {
	case known == 0:
		return nil
	case len(apart) > 0:
		return one("clock.peers", Warn, "clocks differ: "+strings.Join(apart, ", "),
			"'timedatectl set-ntp true' on the hosts whose clock is wrong; if all peers differ alike, it is this one")
	}
	return one("clock.peers", OK, fmt.Sprintf("%d peers' clocks are within %v of ours", known, muchSkew), "")
}

func skewText(p api.Peer, skew time.Duration) string {
	side, affects := "ahead", ""
	if skew < 0 {
		side = "behind"
	}
	if skew.Abs() >= day { // gossip is under a key of its day, and those of the two around it are taken
		affects = " (gossip with it is dropped where there is no session)"
	}
	return fmt.Sprintf("%s is %v %s%s", p.Name, skew.Abs().Round(time.Second), side, affects)
}
