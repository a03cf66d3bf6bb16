package tun

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestProbeTellsWhatTheKernelTakesWhetherTheInterfaceIsUpOrDown(t *testing.T) {
	newNamespace(t).do(t, func() error {
		q, _, err := acquire(Options{Name: "weft0", MTU: 1400}, Options{}.flags(DriverSuper))
		if err != nil {
			return err
		}
		defer q.close()
		if err := checkProbe(q); err != nil {
			return fmt.Errorf("down: %w", err)
		}
		link, err := netlink.LinkByName("weft0")
		if err := errors.Join(err, netlink.LinkSetUp(link)); err != nil {
			return err
		}
		before, err := trouble()
		if err := errors.Join(err, checkProbe(q)); err != nil {
			return fmt.Errorf("up: %w", err)
		}
		after, err := trouble()
		if err == nil && !maps.Equal(before, after) {
			err = fmt.Errorf("the probe is counted as trouble: %v before, %v after", before, after)
		}
		return err
	})
}

// trouble are the namespace's counters of packets that something is wrong with.
func trouble() (map[string]string, error) {
	counters := map[string]string{}
	for _, file := range []string{"snmp", "netstat"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + file)
		if err != nil {
			return nil, err
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		for i := 0; i+1 < len(lines); i += 2 {
			names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
			for j := 1; j < len(names); j++ {
				if suspicious.MatchString(names[j]) {
					counters[names[0]+names[j]] = values[j]
				}
			}
		}
	}
	if len(counters) < 10 {
		return nil, fmt.Errorf("only %d counters: %v", len(counters), counters)
	}
	return counters, nil
}

var suspicious = regexp.MustCompile(`Err|Csum|Discard|Truncated|NoRoutes|Unknown|OutMsgs|NoPorts|Filter`)

// checkProbe relies on TCP superpackets being taken by all kernels, and on there being no type of superpacket 0x7f.
func checkProbe(q *queue) error {
	able, err := q.probe()
	if err = errors.Join(err, able.joinTCP); err != nil {
		return err
	}
	odd := probeTCP4
	odd.gsoType = 0x7f
	if err := q.probeWrite(odd); !errors.Is(err, ErrNotSupported) {
		return fmt.Errorf("a superpacket of no known type: %w, want ErrNotSupported", err)
	}
	return nil
}

func TestProbeThatFailedIsNotTakenForMissingSupport(t *testing.T) {
	q := &queue{fd: -1, name: "weft0"}
	if err := q.probeWrite(probeTCP4); err == nil || errors.Is(err, ErrNotSupported) {
		t.Errorf("%v, want the failure of the probe itself", err)
	}
}
