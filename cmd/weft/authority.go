package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// The files of an authority where none are named: of the directory where the command runs.
const (
	defaultAuthorityKey = "authority.key"
	defaultAuthorityPub = "authority.pub"
)

func newAuthority() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "authority",
		Short: "Sign which nodes may take part, and what each may own",
		Long: "Sign which nodes may take part, and what each may own. An authority is a key of the operator's, kept off the nodes. Nodes\n" +
			"with its public key ('authority: FILE') take certified nodes only: the cluster's secret alone then opens nothing.",
		Example: "  weft authority new\n  weft authority sign $(ssh vm-1 weft authority request) --subnet 10.244.1.0/24 >vm-1.crt",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuthorityNew(), newAuthorityRequest(), newAuthoritySign(), newAuthorityRotate(), newAuthorityRevoke(), newAuthorityShow())
	return cmd
}

func newAuthorityNew() *cobra.Command {
	var key, public string
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make the key of an authority",
		Long: "Make the key of an authority: the private key, for its owner alone, which stays off the nodes, and the public key, which\n" +
			"all nodes get. A file that exists is never overwritten.",
		Example: "  weft authority new --key /media/stick/authority.key --public authority.pub",
		Args:    cobra.NoArgs,
	}
	addAuthorityKey(cmd, &key)
	cmd.Flags().StringVar(&public, "public", defaultAuthorityPub, "file of the public key, which the nodes get")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a, err := trust.NewAuthority(rand.Reader)
		if err != nil {
			return err
		}
		if err := a.WriteNew(key, public); err != nil {
			return config.Errorf("%w", err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "authority %s\nprivate key: %s: keep it off the nodes, and a copy of it somewhere safe\n"+
			"public key:  %s: give it to all nodes, as 'authority: FILE' of their configuration\n", a, key, public)
		return err
	}
	return cmd
}

func addAuthorityKey(cmd *cobra.Command, key *string) {
	cmd.Flags().StringVar(key, "key", defaultAuthorityKey, "file of the authority's private key")
}

// readAuthority reads the authority's private key.
func readAuthority(file string) (*trust.Authority, error) {
	a, err := trust.ReadAuthority(file)
	if err != nil {
		return nil, config.Errorf("--key: %w", err)
	}
	return a, nil
}

// dayTime is a time of UTC to the second, for people.
func dayTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
