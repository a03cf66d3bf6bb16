package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

func newAuthorityShow() *cobra.Command {
	var asJSON bool
	var public string
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show what a certificate says, and whether it counts",
		Long: "Show what a certificate says, and whether it counts at this moment. With --public its signature is checked, too; without,\n" +
			"anybody may have written it. The exit code is 1 if it does not count.",
		Example: "  weft authority show vm-1.crt --public authority.pub\n  weft authority show vm-1.crt --json",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	cmd.Flags().StringVar(&public, "public", "", "file of the authority's public key")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		shown, err := showCertificate(args[0], public, time.Now())
		if err != nil {
			return config.Errorf("%w", err)
		}
		if err := shown.show(cmd.OutOrStdout(), asJSON); err != nil || shown.Counts {
			return err
		}
		return fmt.Errorf("%s: %s", args[0], shown.Reason)
	}
	return cmd
}

// shownCertificate is the JSON of 'weft authority show'.
type shownCertificate struct {
	api.Certificate
	Checked bool   `json:"checked"`          // its signature was checked
	Counts  bool   `json:"counts"`           // at this moment; and, if it was checked, it is the authority's
	Reason  string `json:"reason,omitempty"` // why it does not
}

func showCertificate(file, public string, now time.Time) (*shownCertificate, error) {
	c, err := trust.ReadCertificate(file)
	if err != nil {
		return nil, err
	}
	s := &shownCertificate{Certificate: api.CertificateOf(c), Checked: public != ""}
	err = c.CheckTime(now)
	if s.Checked {
		keys, unread := trust.ReadAuthorityKeys(public)
		if unread != nil {
			return nil, fmt.Errorf("--public: %w", unread)
		}
		if forged := trust.NewAdmission(keys).Check(c, c.Fingerprint, c.Name); forged != nil {
			err = forged
		}
	}
	if s.Counts = err == nil; !s.Counts {
		s.Reason = err.Error()
	}
	return s, nil
}

func (s *shownCertificate) show(w io.Writer, asJSON bool) error {
	if !asJSON {
		return s.print(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}

func (s *shownCertificate) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key, value string) { fmt.Fprintf(t, "%s\t%s\n", key, value) }
	row("name", s.Name)
	row("fingerprint", s.Fingerprint)
	row("subnets", dash(list(s.Subnets)))
	row("routes", dash(list(s.Routes)))
	row("counts", fmt.Sprintf("from %s until %s", dayTime(s.NotBefore), dayTime(s.NotAfter)))
	row("serial", fmt.Sprint(s.Serial))
	authority := s.Authority
	if !s.Checked {
		authority += " (its signature was not checked: name its key with --public)"
	}
	row("authority", authority)
	if !s.Counts {
		row("refused", s.Reason)
	}
	return t.Flush()
}

// readText reads a file, or standard input for "-": at most max bytes.
func readText(file string, stdin io.Reader, max int64) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(stdin, max))
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, max))
}
