// Command weft joins hosts into one IP network: the daemon and its command line in one binary.
//
// Each command has a file of its own and no logic: it reads flags, calls a room and prints. Exit codes: 0 done, 2 the
// configuration or the command line is wrong, 3 a service that 'weft down' stopped, 1 anything else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/bench"
	"github.com/weftnet/weft/bench/between"
	"github.com/weftnet/weft/node"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func main() {
	held := holdHangups() // first: until then a hangup kills the process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !isDaemon(os.Args[1:]) {
		ctx = endAtHangup(ctx, held)
	}
	// A handler that does nothing: a write to a closed pipe then fails with EPIPE instead of ending the process half-way.
	// To ignore the signal would do so in the programs that are started, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// isDaemon reports whether the command line is that of the daemon, which decides for itself what a hangup means.
func isDaemon(args []string) bool {
	cmd, _, err := newRoot().Find(args)
	return err == nil && cmd.Name() == "up"
}

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	err := out.failed(root.ExecuteContext(ctx))
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintln(stderr, "weft: "+oneLine(err))
	return exitCode(err)
}

// exitCode says what kind of failure it was. deploy/systemd/weft.service knows these numbers.
func exitCode(err error) int {
	switch {
	case slices.ContainsFunc(misuses, func(misuse error) bool { return errors.Is(err, misuse) }):
		return 2
	case errors.Is(err, node.ErrDown):
		return 3
	}
	return 1
}

// misuses are the errors of which the caller can be told: ask otherwise.
var misuses = []error{errUsage, config.ErrConfig, api.ErrRejected, bench.ErrUsage, between.ErrUsage}

// errUsage marks a command line that cannot be understood.
var errUsage = errors.New("usage")

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "weft",
		Short:         "Join hosts into one sealed IP network, without any server",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		Version:       versionText(),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath())}
	})
	root.AddCommand(newInit(), newJoin(), newUp(), newDown(), newReload(), newStatus(), newPeers(), newRoutes(), newMap(), newTrace(), newSecret(), newKey(), newToken(), newAuthority(),
		newDoctor(), newReport(), newCNI(), newIPAM(), newDemo(), newBench(), newBenchWireGuard(), newVersion(),
		newCompletion(), newMan())
	for _, cmd := range root.Commands() {
		finish(cmd)
	}
	markUsage(root)
	return root
}

// finish gives a command, and those below it, what all have in common.
func finish(cmd *cobra.Command) {
	markUsage(cmd)
	complete(cmd)
	for _, sub := range cmd.Commands() {
		finish(sub)
	}
}

// markUsage makes wrong arguments of a command exit with 2, and says which.
func markUsage(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w (see '%s --help')", wrongArguments(cmd, args, err), cmd.CommandPath())}
		}
		return nil
	}
}

type usageError struct{ error }

func (e usageError) Is(target error) bool { return target == errUsage }
func (e usageError) Unwrap() error        { return e.error }
