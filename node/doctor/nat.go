package doctor

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// errNoProbe says that the kernel could not be asked.
var errNoProbe = errors.New("the probe could not run")

// probeNAT makes a table that masquerades, in a network namespace that is gone at once. nil: the kernel can. errNoProbe: it
// could not be asked. Any other error: it cannot.
func probeNAT() error { return elsewhere(masquerade) }

// elsewhere runs a probe in a network namespace that is gone at once. errNoProbe: there can be none.
func elsewhere(probe func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine, and the namespace with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("%w: make a network namespace: %w", errNoProbe, err)
			return
		}
		result <- probe()
	}()
	return <-result
}

// masquerade makes a table with a rule that masquerades.
func masquerade() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoProbe, err)
	}
	table := c.AddTable(&nftables.Table{Name: "weft-probe", Family: nftables.TableFamilyINet})
	chain := c.AddChain(&nftables.Chain{
		Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting,
		Priority: nftables.ChainPriorityNATSource,
	})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Masq{FullyRandom: true}}})
	return c.Flush()
}
