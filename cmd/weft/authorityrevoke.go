package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

func newAuthorityRevoke() *cobra.Command {
	var key, fingerprint, certificate string
	var serial uint64
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Print a revocation of a node's key, or of one certificate",
		Long: "Print a revocation of a node's key (--fingerprint), or of one certificate (--serial or --certificate). 'weft peers revoke\n" +
			"--signed FILE' on any node gives it to the cluster, which keeps it for ever: a key that was revoked never takes part again;\n" +
			"where only a certificate was, the node may get another.",
		Example: "  weft authority revoke --fingerprint $FINGERPRINT | ssh vm-1 weft peers revoke --signed -",
		Args:    cobra.NoArgs,
	}
	addAuthorityKey(cmd, &key)
	cmd.Flags().StringVar(&fingerprint, "fingerprint", "", "of the key that is revoked, with all its certificates")
	cmd.Flags().Uint64Var(&serial, "serial", 0, "of the certificate that is revoked")
	cmd.Flags().StringVar(&certificate, "certificate", "", "file of the certificate that is revoked")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		content, err := revocation(fingerprint, serial, certificate)
		if err != nil {
			return usageError{err}
		}
		a, err := readAuthority(key)
		if err != nil {
			return err
		}
		r, err := a.Revoke(content)
		if errors.Is(err, trust.ErrOtherAuthority) {
			return config.Errorf("--certificate: %s: %w (name the key that signed it with --key)", certificate, err)
		}
		if err != nil {
			return config.Errorf("%w", err)
		}
		_, err = cmd.OutOrStdout().Write(r.PEM())
		return err
	}
	return cmd
}

// revocation is what is to be revoked now.
func revocation(fingerprint string, serial uint64, certificate string) (r trust.Revocation, err error) {
	r.Time, r.Serial = time.Now(), serial
	switch {
	case fingerprint != "" && certificate != "", serial != 0 && fingerprint+certificate != "":
		err = errors.New("say one thing that is revoked: --fingerprint, --serial or --certificate")
	case fingerprint != "":
		r.Fingerprint, err = trust.ParseFingerprint(fingerprint)
	case certificate != "":
		var c *trust.Certificate
		if c, err = trust.ReadCertificate(certificate); err == nil {
			r.Serial, r.Authority = c.Serial, c.Authority
		}
	case serial == 0:
		err = errors.New("say what is revoked: --fingerprint, --serial or --certificate")
	}
	return r, err
}
