package install

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"

	"github.com/weftnet/weft/atomicfile"
)

// containerd is what its configuration says of CNI.
type containerd struct {
	bin, conf string // empty: it does not say
	disabled  bool   // the part that starts pods is switched off, as Docker's packages have it
	deep      bool   // a file that is imported adds to a section; else it replaces the whole of it
}

// deepVersion is the version of the first file from which containerd is certain to be 2 or later, which merges sections (mergeConfig in
// containerd's cmd/containerd/server/config).
const deepVersion = 3

// containerdFile is the part of containerd's configuration that is read here, of the versions 1 to 4: the last moves what is not of pods.
type containerdFile struct {
	Version  int                       `toml:"version"`
	Imports  []string                  `toml:"imports"`
	Disabled []string                  `toml:"disabled_plugins"`
	Plugins  map[string]toml.Primitive `toml:"plugins"`
}

// cniSection is the section cni of the plugin that starts pods. bin_dirs came with containerd 2.1, and bin_dir goes with 2.3; of several
// directories the first is searched first.
type cniSection struct {
	CNI struct {
		Bin  string   `toml:"bin_dir"`
		Bins []string `toml:"bin_dirs"`
		Conf string   `toml:"conf_dir"`
	} `toml:"cni"`
}

// criPlugins are the names of the plugin that starts pods: in versions 3 and 4 of the configuration, in 2 and in 1.
var criPlugins = []string{"io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri", "cri"}

// maxConfig bounds a configuration file, maxImports how many files one reads in all.
const (
	maxConfig  = 1 << 20
	maxImports = 64
)

// readContainerd reads a configuration and the files that it imports, each of which counts more than what came before, as containerd has
// it. The error wraps fs.ErrNotExist where there is no such file; it is one line that names the file.
func readContainerd(path string) (*containerd, error) {
	c := new(containerd)
	pending, read := []string{path}, []string{}
	for len(pending) > 0 && len(read) < maxImports {
		next := pending[0]
		pending = pending[1:]
		if slices.Contains(read, next) {
			continue
		}
		read = append(read, next)
		file, err := c.add(next)
		if err != nil {
			return nil, err
		}
		imports, err := file.imported(next)
		if err != nil {
			return nil, err
		}
		pending = append(pending, imports...)
	}
	return c, nil
}

// add takes what one file says.
func (c *containerd) add(path string) (file containerdFile, err error) {
	data, _, err := atomicfile.Read(path, maxConfig)
	if err != nil {
		return file, fmt.Errorf("install: read %w", err)
	}
	if file, err = c.decode(data); err != nil {
		return file, fmt.Errorf("install: %s is no configuration of containerd: %w (name the directories with --bin-dir and --conf-dir)", path, err)
	}
	return file, nil
}

// imported are the files that a file at path imports and that are there.
func (f *containerdFile) imported(path string) (list []string, err error) {
	for _, pattern := range f.Imports {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(path), pattern)
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("install: %s imports %q: %w", path, pattern, err)
		}
		list = append(list, found...)
	}
	return list, nil
}

func (c *containerd) decode(data []byte) (file containerdFile, err error) {
	meta, err := toml.Decode(string(data), &file)
	if err != nil {
		return file, err
	}
	c.deep = c.deep || file.Version >= deepVersion
	for _, name := range criPlugins {
		c.disabled = c.disabled || slices.Contains(file.Disabled, name)
		section, found := file.Plugins[name]
		if !found {
			continue
		}
		var s cniSection
		if err := meta.PrimitiveDecode(section, &s); err != nil {
			return file, err
		}
		c.take(&s)
	}
	return file, nil
}

func (c *containerd) take(s *cniSection) {
	first := ""
	if len(s.CNI.Bins) > 0 {
		first = s.CNI.Bins[0]
	}
	if !c.deep {
		c.bin, c.conf = "", ""
	}
	c.bin, c.conf = cmp.Or(first, s.CNI.Bin, c.bin), cmp.Or(s.CNI.Conf, c.conf)
}
