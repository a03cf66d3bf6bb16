package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/bench"
	"github.com/weftnet/weft/bench/between"
	"github.com/weftnet/weft/bench/render"
	"github.com/weftnet/weft/bench/report"
	"github.com/weftnet/weft/bench/wireguard"
)

// defaultReport is where the report of a bench on this machine goes.
const defaultReport = "weft-bench"

// benchFlags are the flags of 'weft bench'.
type benchFlags struct {
	lab         bench.Options
	between     between.Options
	server      between.ServeOptions
	quick, full bool
	rate        string
	mtu         int
	rounds      int
	out         string
	compare     string
	old         *report.Report // of compare; nil: none
	list, serve bool
	show        string
	allow       []string
	maxRate     string
}

// mode is one of the things that 'weft bench' does, with the flags that go with it.
type mode struct {
	flag  string // that chooses it; empty: none of the others
	takes []string
	run   func(*cobra.Command) error
}

func newBench() *cobra.Command {
	f := new(benchFlags)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure overlays side by side: on virtual hosts of this machine, or between two machines",
		Long: "Measure overlays side by side on two virtual hosts of this machine: weft with each driver, sealed and not, kernel\n" +
			"VXLAN, plain routes, wireguard-go. The table goes to the terminal, the report (JSON, Markdown, charts) to --out.\n" +
			"--quick takes under 90 s, the default about ten minutes, --full up to 45; --list names subjects and measures.\n\n" +
			"Between two machines that run weft: 'weft bench --serve' on one, 'weft bench --between PEER:9340' on the other.",
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		chosen, err := f.mode(cmd)
		if err != nil {
			return err
		}
		if err := notEmpty(cmd, "only", "out", "rate", "compare", "show", "between", "listen", "allow", "max-rate", "socket"); err != nil {
			return err
		}
		return chosen.run(cmd)
	}
	return cmd
}

func (f *benchFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.quick, "quick", false, "under 90 s: vxlan and weft sealed and not; TCP x1, x4, latency, CPU")
	flags.BoolVar(&f.full, "full", false, "all measures, up to 45 min")
	flags.StringSliceVar(&f.lab.Only, "only", nil, "subjects and measures to take, by name, as vxlan,weft-batch-sealed,tcp1")
	flags.IntVar(&f.rounds, "rounds", 0, "how often everything is measured (default 5; with --quick 10)")
	flags.IntVar(&f.mtu, "mtu", 0, "of the virtual hosts' cables, in bytes (default 1500); with --between, what the overlay must carry")
	flags.IntVar(&f.lab.OverlayMTU, "overlay-mtu", 0, "of the pods, the same for all subjects, in bytes (default: what each leaves)")
	flags.StringVar(&f.rate, "rate", "", "of the virtual hosts' cables, in bit/s: 100M, 1G (default: unlimited)")
	flags.StringVar(&f.out, "out", "", "directory of the report (default "+defaultReport+"; with --between: none)")
	flags.BoolVar(&f.lab.Resume, "resume", false, "go on with the unfinished run in --out")
	flags.BoolVar(&f.lab.Fresh, "fresh", false, "throw the unfinished run in --out away")
	flags.StringVar(&f.compare, "compare", "", "an earlier report.json: say what changed, and whether it is beyond the noise")
	flags.StringVar(&f.show, "show", "", "print the report in this directory and make its pages anew, without measuring")
	flags.BoolVar(&f.list, "list", false, "name the subjects and measures")
	f.addBetween(cmd)
}

// notEmpty refuses flags that were given without a value, as by an empty variable of a shell.
func notEmpty(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Changed && strings.Join(flagValues(f), "") == "" {
			return usageError{fmt.Errorf("--%s is empty", name)}
		}
	}
	return nil
}

// mode finds out what is asked for, and refuses flags that do not go with it.
func (f *benchFlags) mode(cmd *cobra.Command) (mode, error) {
	modes := []mode{
		{"list", nil, f.runList},
		{"show", []string{"compare"}, f.runShow},
		{"serve", []string{"listen", "allow", "max-time", "max-rate", "socket"}, f.runServe},
		{"between", []string{"socket", "duration", "rounds", "mtu", "out"}, f.runBetween},
		{"", []string{"quick", "full", "only", "rounds", "mtu", "overlay-mtu", "rate", "out", "resume", "fresh", "compare"}, f.runLab},
	}
	chosen := modes[slices.IndexFunc(modes, func(m mode) bool { return m.flag == "" || cmd.Flags().Changed(m.flag) })]
	for _, m := range modes {
		for _, name := range append(m.takes, m.flag) {
			if name == "" || name == chosen.flag || slices.Contains(chosen.takes, name) || !cmd.Flags().Changed(name) {
				continue
			}
			if chosen.flag == "" {
				return mode{}, usageError{fmt.Errorf("--%s goes with --%s", name, m.flag)}
			}
			return mode{}, usageError{fmt.Errorf("--%s does not go with --%s", name, chosen.flag)}
		}
	}
	return chosen, nil
}

func (f *benchFlags) runList(cmd *cobra.Command) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "subjects: %s\nmeasures: %s\n",
		strings.Join(bench.Subjects(), " "), strings.Join(bench.Measures(), " "))
	return err
}

// runLab measures on virtual hosts of this machine.
func (f *benchFlags) runLab(cmd *cobra.Command) error {
	o, err := f.labOptions(cmd)
	if err != nil {
		return err
	}
	if err := f.readOld(); err != nil {
		return err
	}
	r, failed := bench.Run(cmd.Context(), o)
	if r == nil || !r.Complete {
		return failed
	}
	if err := f.print(cmd.OutOrStdout(), r); err != nil {
		return errors.Join(failed, fmt.Errorf("%w (the report is in %s)", err, o.Out))
	}
	if n := failedSteps(r); n > 0 && failed == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "weft: %d of %d steps failed: see FAILED STEPS; the figures are those of the other rounds\n", n, len(r.Schedule))
	}
	_, said := fmt.Fprintf(cmd.OutOrStdout(), "\nThe report: %s\n", filepath.Join(o.Out, "README.md"))
	return errors.Join(failed, said)
}

func failedSteps(r *report.Report) (n int) {
	for _, s := range r.Schedule {
		if s.Error != "" {
			n++
		}
	}
	return n
}

// readOld reads the report to compare with; before anything starts, since the new one may take its place.
func (f *benchFlags) readOld() (err error) {
	if f.compare != "" {
		f.old, err = report.Read(f.compare)
	}
	return err
}

func (f *benchFlags) labOptions(cmd *cobra.Command) (bench.Options, error) {
	o := f.lab
	if f.quick && f.full {
		return o, usageError{fmt.Errorf("--quick and --full are two different runs: choose one")}
	}
	for preset, wanted := range map[string]bool{bench.Quick: f.quick, bench.Full: f.full} {
		if wanted {
			o.Preset = preset
		}
	}
	for name, value := range map[string]int{"rounds": f.rounds, "mtu": f.mtu, "overlay-mtu": o.OverlayMTU} {
		if cmd.Flags().Changed(name) && value <= 0 {
			return o, usageError{fmt.Errorf("--%s %d: want a number above 0", name, value)}
		}
	}
	var err error
	if o.Rate, err = parseRate("rate", f.rate, 100e3, 100e9); err != nil {
		return o, err
	}
	if o.Binary, err = os.Executable(); err != nil {
		return o, fmt.Errorf("find this program: %w", err)
	}
	o.Rounds, o.MTU, o.Out = f.rounds, f.mtu, f.out
	if o.Out == "" {
		o.Out = defaultReport
	}
	o.Progress, o.Terminal = cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr())
	return o, nil
}

// runShow prints a report that is there already.
func (f *benchFlags) runShow(cmd *cobra.Command) error {
	dir := f.show
	if filepath.Base(dir) == "report.json" {
		dir = filepath.Dir(dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "report.json")); err != nil {
		if _, err := os.Stat(filepath.Join(dir, bench.Unfinished)); err == nil {
			return fmt.Errorf("%s has only an unfinished run: finish it with --out %s --resume", dir, dir)
		}
	}
	r, err := report.Read(filepath.Join(dir, "report.json"))
	if err != nil {
		return err
	}
	if err := f.readOld(); err != nil {
		return err
	}
	if err := render.Write(dir, r); err != nil {
		return err
	}
	return f.print(cmd.OutOrStdout(), r)
}

// print prints the table, and what changed since the report of --compare.
func (f *benchFlags) print(out io.Writer, r *report.Report) error {
	if err := render.Table(out, r, terminalWidth(out)); err != nil {
		return err
	}
	if f.old == nil {
		return nil
	}
	fmt.Fprintf(out, "\nCompared with %s:\n\n", f.compare)
	return render.Comparison(out, report.Compare(f.old, r))
}

// newBenchWireGuard is how the bench runs WireGuard in user space: in a process of its own, in the namespace of a host.
func newBenchWireGuard() *cobra.Command {
	return &cobra.Command{
		Use:    wireguard.Command,
		Short:  "Run wireguard-go as the bench asks for it on standard input",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return wireguard.Run(cmd.Context(), os.Stdin, cmd.OutOrStdout())
		},
	}
}
