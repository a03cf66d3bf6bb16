package install

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"
)

// KeepPeriod is how often a keeper looks: what an upgrade of the runtime removed or replaced is back after that.
const KeepPeriod = 4 * time.Second

// What a keeper tells of one file: maxTold repairs until it has been left alone for as long as quiet.
const (
	maxTold = 3
	quiet   = time.Minute
)

// Keeper keeps plugins and list as they should be. It belongs to one goroutine.
type Keeper struct {
	installer *Installer
	where     func() (Directories, error)
	log       *slog.Logger

	next    Directories // where the runtime was said to look, the last time
	looked  bool
	refused string                 // the error that was told of last
	rivals  map[string]bool        // that were told of
	repairs map[string]*repairTold // by file
}

// repairTold is what was told of repairs of one file.
type repairTold struct {
	last time.Time
	told int
}

// NewKeeper makes a keeper of what the installer installs, in the directories that where says: it is asked at each look.
func NewKeeper(i *Installer, where func() (Directories, error), log *slog.Logger) *Keeper {
	return &Keeper{installer: i, where: where, log: log, rivals: map[string]bool{}, repairs: map[string]*repairTold{}}
}

// Run looks at once and then every KeepPeriod until ctx ends. What fails is told of once, and tried again. The error is that the state
// directory cannot be used, or that a directory is one that nobody else sees any more: to start anew helps.
func (k *Keeper) Run(ctx context.Context) error {
	release, err := lockKeeper(k.installer.o.StateDir)
	if err != nil {
		return err
	}
	defer release()
	tick := time.NewTicker(KeepPeriod)
	defer tick.Stop()
	for {
		k.Look(time.Now())
		if err := cmp.Or(removedBelow(k.installer.o.Bin), removedBelow(k.installer.o.Conf)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// removedBelow is an error where a directory was removed while a mount still shows it, as in a container: what is put there, nobody sees.
func removedBelow(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return nil // Install has told of it
	}
	if raw, ok := info.Sys().(*syscall.Stat_t); ok && raw.Nlink == 0 {
		return fmt.Errorf("install: somebody has removed %s on the host, and this container still has the old one: it starts anew", dir)
	}
	return nil
}

// Look puts right what is wrong, once, and tells of it. Where nobody can say any more where the runtime looks, as while somebody edits its
// configuration, it goes on where it was: the runtime does so, too, until it is restarted.
func (k *Keeper) Look(now time.Time) {
	d, unclear := k.where()
	switch {
	case unclear == nil:
		k.follow(d)
	case k.installer.o.Directories == Directories{}:
		k.noteRefused(unclear)
		return
	}
	done, err := k.installer.Install()
	k.noteRefused(cmp.Or(err, unclear))
	for _, p := range done.Placed {
		k.notePlaced(p, now)
	}
	for _, path := range done.Removed {
		k.log.Info("cni.removed", "file", path)
	}
	if err == nil {
		k.looked = true
		k.noteRivals()
	}
}

// follow goes where the runtime looks now. A change counts once it was said twice: a configuration that is being written is short, or not
// there, for a moment.
func (k *Keeper) follow(d Directories) {
	now := &k.installer.o.Directories
	if settled := d == k.next || *now == (Directories{}); settled && d != *now {
		*now = d
		k.log.Info("cni.keeping", "plugins", d.Bin, "networks", d.Conf, "why", d.Why)
	}
	k.next = d
}

func (k *Keeper) noteRefused(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != k.refused {
		k.log.Error("cni.refused", "error", err)
	}
	k.refused = text
}

// notePlaced tells of a file: an installation or an upgrade of weft's, or else that somebody had taken it away. Two keepers of different
// versions replace each other's files for ever.
func (k *Keeper) notePlaced(p Placement, now time.Time) {
	if !k.looked {
		k.log.Info("cni.installed", "file", p.Path, "cause", p.Cause, "aside", p.Aside)
		return
	}
	r := k.repairs[p.Path]
	if r == nil || now.Sub(r.last) > quiet {
		r = new(repairTold)
		k.repairs[p.Path] = r
	}
	r.last = now
	switch r.told++; {
	case r.told <= maxTold && p.Cause == Outdated:
		k.log.Info("cni.installed", "file", p.Path, "cause", p.Cause, "aside", p.Aside)
	case r.told <= maxTold:
		k.log.Warn("cni.restored", "file", p.Path, "cause", p.Cause, "aside", p.Aside)
	case r.told == maxTold+1:
		k.log.Warn("cni.contested", "file", p.Path, "cause", p.Cause)
	}
}

// noteRivals tells of each rival once, until it is gone.
func (k *Keeper) noteRivals() {
	list, err := Rivals(k.installer.o.Conf)
	if err != nil {
		return // Install has told of a directory that cannot be read, or will
	}
	now := map[string]bool{}
	for _, r := range list {
		if now[r.Path] = true; !k.rivals[r.Path] {
			k.log.Warn("cni.rival", "file", r.Path, "reason", r.String())
		}
	}
	k.rivals = now
}
