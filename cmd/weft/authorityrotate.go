package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// maxPermitDays bounds how long a permit counts: as long as it does, a node that was put back to the old secret follows again.
const maxPermitDays = 90

func newAuthorityRotate() *cobra.Command {
	var key string
	var days int
	cmd := &cobra.Command{
		Use:   "rotate OLD NEW",
		Short: "Print a permit to go from one cluster secret to another",
		Long: "Print a permit to go from one cluster secret to another. Nodes with an authority follow no rotation without. OLD and NEW are\n" +
			"the ids of the two secrets, as 'weft secret rotate --request' prints them on the node that leads; they say nothing of the\n" +
			"secrets themselves. 'weft secret rotate --signed FILE' on that node then leads the cluster on.",
		Example: "  weft authority rotate $(ssh vm-1 weft secret rotate --request) >permit",
		Args:    cobra.ExactArgs(2),
	}
	addAuthorityKey(cmd, &key)
	cmd.Flags().IntVar(&days, "days", 7, "how long it counts: the rotation must be over by then")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		content, err := permit(args[0], args[1], days, time.Now())
		if err != nil {
			return usageError{err}
		}
		a, err := readAuthority(key)
		if err != nil {
			return err
		}
		p, err := a.PermitRotation(content)
		if err != nil {
			return config.Errorf("%w", err)
		}
		_, err = cmd.OutOrStdout().Write(p.PEM())
		return err
	}
	return cmd
}

// permit is what is asked to be signed.
func permit(from, to string, days int, now time.Time) (p trust.RotationPermit, err error) {
	p.NotBefore, p.NotAfter = now, now.AddDate(0, 0, days)
	if p.Old, err = secretID("OLD", from); err != nil {
		return p, err
	}
	if p.New, err = secretID("NEW", to); err != nil {
		return p, err
	}
	switch {
	case p.Old == p.New:
		err = errors.New("OLD and NEW are the same secret")
	case days < 1 || days > maxPermitDays:
		err = fmt.Errorf("--days: %d is not a number of days from 1 to %d", days, maxPermitDays)
	}
	return p, err
}

func secretID(what, text string) (id trust.SecretID, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%s: %q is not the id of a secret: %d hexadecimal digits, as 'weft secret rotate --request' prints them", what, text, 2*len(id))
	}
	return trust.SecretID(raw), nil
}
