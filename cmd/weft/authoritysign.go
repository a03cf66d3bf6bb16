package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/trust"
)

// signRequest is what 'weft authority sign' was asked for.
type signRequest struct {
	key             string
	subnets, routes []string
	days            int
	until           string
}

func newAuthoritySign() *cobra.Command {
	var r signRequest
	cmd := &cobra.Command{
		Use:   "sign NAME FINGERPRINT",
		Short: "Print a certificate for a node: its name, its key, and what it may own",
		Long: "Print a certificate for a node: its name, its key, and what it may own. Name and fingerprint are what 'weft authority\n" +
			"request' prints on the node. A renewed certificate is a new one; the earlier goes on counting until its end or until it is\n" +
			"revoked.",
		Example: "  weft authority sign vm-1 $FINGERPRINT --subnet 10.244.1.0/24 >vm-1.crt\n" +
			"  weft authority sign $(ssh vm-2 weft authority request) --subnet 10.244.0.0/16 --route 192.168.7.0/24 --days 90 >vm-2.crt",
		Args: cobra.ExactArgs(2),
	}
	addAuthorityKey(cmd, &r.key)
	cmd.Flags().StringSliceVar(&r.subnets, "subnet", nil, "prefix that the node's subnets may lie in; all of the network for a node with 'subnet: auto'")
	cmd.Flags().StringSliceVar(&r.routes, "route", nil, "prefix behind the node that its routes may lie in")
	cmd.Flags().IntVar(&r.days, "days", 365, "how long it counts")
	cmd.Flags().StringVar(&r.until, "until", "", "until when it counts, as 2027-01-31 or 2027-01-31T12:00:00Z; in place of --days")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if r.until != "" && cmd.Flags().Changed("days") {
			return usageError{errors.New("--days and --until both say when it ends: give one of them")}
		}
		content, err := r.content(args[0], args[1], time.Now())
		if err != nil {
			return usageError{err}
		}
		a, err := readAuthority(r.key)
		if err != nil {
			return err
		}
		c, err := a.Sign(content, rand.Reader)
		if errors.Is(err, trust.ErrCertificate) {
			return usageError{err}
		}
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(c.PEM())
		return err
	}
	return cmd
}

// content is the certificate that is asked for.
func (r *signRequest) content(name, fingerprint string, now time.Time) (c trust.Certificate, err error) {
	c = trust.Certificate{Name: name, NotBefore: now}
	if c.Fingerprint, err = trust.ParseFingerprint(fingerprint); err != nil {
		return c, err
	}
	if len(r.subnets) == 0 {
		return c, errors.New("--subnet is missing: say what the node may own, as 10.244.1.0/24, or all of the network for a node with 'subnet: auto'")
	}
	if c.Subnets, err = prefixFlag("subnet", r.subnets); err != nil {
		return c, err
	}
	if c.Routes, err = prefixFlag("route", r.routes); err != nil {
		return c, err
	}
	c.NotAfter, err = r.end(now)
	return c, err
}

func prefixFlag(flag string, values []string) (list []netip.Prefix, err error) {
	for _, v := range values {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return nil, fmt.Errorf("--%s: %q is not a prefix such as 10.244.1.0/24", flag, v)
		}
		if p.Masked() != p {
			return nil, fmt.Errorf("--%s: %s has bits set behind its length: write %s", flag, v, p.Masked())
		}
		list = append(list, p)
	}
	return list, nil
}

// end is when the certificate ends.
func (r *signRequest) end(now time.Time) (time.Time, error) {
	if r.until == "" {
		if r.days < 1 || r.days > 100*366 {
			return time.Time{}, fmt.Errorf("--days: %d is not a number of days from 1 to %d", r.days, 100*366)
		}
		return now.AddDate(0, 0, r.days), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, r.until); err == nil {
			if !t.After(now) {
				return t, fmt.Errorf("--until: %s is past", r.until)
			}
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--until: %q is not a day such as 2027-01-31, nor a time such as 2027-01-31T12:00:00Z", r.until)
}
