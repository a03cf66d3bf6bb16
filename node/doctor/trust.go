package doctor

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

const day = 24 * time.Hour

const (
	oldSecret   = 365 * day // what was copied from a host that is gone by then is worth nothing after a rotation
	longTwo     = 7 * day   // a rotation takes minutes; while it lasts the old secret still counts
	soonExpired = 30 * day
)

// checkEncryption looks whether packets are sealed.
func checkEncryption(f *Facts) []Check {
	sealed, forced := true, false
	if f.Config != nil {
		sealed, forced = f.Config.Encryption, f.Config.ClearOnPublic
	}
	if f.Daemon != nil {
		sealed = f.Daemon.Encryption != off
	}
	if sealed {
		return one("encryption", OK, "packets are sealed", "")
	}
	where := "between private addresses"
	if forced {
		where = "to public addresses, too (clear_on_public)"
	}
	return one("encryption", Warn, "packets travel in clear "+where+": whoever is on the path can read and alter them, and inject others",
		"set encryption: on in "+cmp.Or(f.ConfigFile, config.DefaultConfigFile)+" on all nodes, and restart weft on all: 'systemctl restart weft'")
}

// checkSecretAge looks how long the cluster secrets are held.
func checkSecretAge(f *Facts) []Check {
	if f.Daemon == nil || len(f.Daemon.Secrets) == 0 {
		return nil
	}
	first, latest := f.Daemon.Secrets[0], time.Time{}
	for _, s := range f.Daemon.Secrets {
		if s.Since.After(latest) {
			latest = s.Since
		}
	}
	const rotate = "weft secret rotate"
	switch {
	case len(f.Daemon.Secrets) > 1 && f.Now.Sub(latest) > longTwo:
		return mended("secret.age", Warn, fmt.Sprintf("two secrets are held since %s: the old one still opens the cluster", latest.Format(time.DateOnly)),
			rotate, ", which goes on with the rotation ('weft secret rotate --status' shows how far it is)")
	case f.Now.Sub(first.Since) > oldSecret:
		return mended("secret.age", Warn, fmt.Sprintf("secret %s is held since %s, for %d days", first.ID, first.Since.Format(time.DateOnly), f.Now.Sub(first.Since)/day),
			rotate, ", which begins a rotation; two more of it end it")
	}
	return one("secret.age", OK, fmt.Sprintf("secret %s is held since %s", first.ID, first.Since.Format(time.DateOnly)), "")
}

// checkCertificate looks how long this node's certificate counts.
func checkCertificate(f *Facts) []Check {
	if f.Daemon == nil || f.Daemon.Trust.Certificate == nil {
		return nil
	}
	c := f.Daemon.Trust.Certificate
	end := c.NotAfter.UTC().Format("2006-01-02 15:04 UTC")
	switch left := c.NotAfter.Sub(f.Now); {
	case left <= 0:
		return one("certificate", Fail, "it expired "+end+": no node of a cluster with an authority takes this one", renewal(c))
	case strings.Contains(degraded(f.Daemon, "certificate"), keyReplace):
		return one("certificate", Fail, degraded(f.Daemon, "certificate"), keyReplace+", and sign what 'weft authority request' prints then")
	case degraded(f.Daemon, "certificate") != "" && left > soonExpired:
		return one("certificate", Fail, degraded(f.Daemon, "certificate"), renewal(c))
	case left < soonExpired:
		return one("certificate", Warn, fmt.Sprintf("it expires %s, in %d days", end, left/day), renewal(c))
	}
	return one("certificate", OK, "it counts until "+end, "")
}

// keyReplace is what the daemon says where no certificate helps, since its key was revoked.
const keyReplace = "weft key replace"

// renewal is how a certificate like c is made.
func renewal(c *api.Certificate) string {
	command := []string{"weft authority sign", quoted(c.Name), c.Fingerprint}
	for _, p := range c.Subnets {
		command = append(command, "--subnet "+p.String())
	}
	for _, p := range c.Routes {
		command = append(command, "--route "+p.String())
	}
	return fmt.Sprintf("where the authority's key is: '%s'; put what it prints into the file of certificate here, then 'weft reload'", strings.Join(command, " "))
}
