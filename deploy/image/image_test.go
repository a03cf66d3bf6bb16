package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sample(t *testing.T) *image {
	t.Helper()
	dir := t.TempDir()
	i := &image{name: "localhost:5000/weft:v1", version: "v1", revision: "abc", arch: "arm64", time: time.Unix(1_700_000_000, 0).UTC()}
	for _, path := range []string{"/usr/bin/weft", "/usr/lib/weft/cni/weft-cni"} {
		file := filepath.Join(dir, filepath.Base(path))
		must(t, os.WriteFile(file, []byte("contents of "+path), 0o600))
		i.programs = append(i.programs, program{path, file})
	}
	return i
}

// unpacked are the files of a tar file; directories have nil.
func unpacked(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		if h.Uid != 0 || h.Gid != 0 || h.Mode != 0o755 || h.ModTime.Unix() != 1_700_000_000 {
			t.Errorf("%+v", h)
		}
		contents, err := io.ReadAll(r)
		must(t, err)
		if h.Typeflag == tar.TypeDir {
			contents = nil
		}
		files[h.Name] = contents
	}
}

func TestTheSameProgramsGiveTheSameBytes(t *testing.T) {
	i := sample(t)
	var files [2][]byte
	for n := range files {
		out := filepath.Join(t.TempDir(), "image.tar")
		must(t, i.write(out))
		data, err := os.ReadFile(out)
		must(t, err)
		files[n] = data
		for _, p := range i.programs { // another owner, another time
			must(t, os.Chtimes(p.file, time.Unix(1, 0), time.Unix(1, 0)))
			must(t, os.Chmod(p.file, 0o755))
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("they differ")
	}
}

// The chain of digests: index, manifest, configuration and layer.
func TestEveryDescriptorIsThatOfItsBlob(t *testing.T) {
	out := filepath.Join(t.TempDir(), "image.tar")
	must(t, sample(t).write(out))
	data, err := os.ReadFile(out)
	must(t, err)
	files := unpacked(t, data)
	blob := func(d descriptor) []byte {
		b := files["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
		if "sha256:"+sha256Of(b) != d.Digest || len(b) != d.Size {
			t.Errorf("%+v is not that of its blob", d)
		}
		return b
	}
	var index struct{ Manifests []descriptor }
	must(t, json.Unmarshal(files["index.json"], &index))
	if a := index.Manifests[0].Annotations; a["io.containerd.image.name"] != "localhost:5000/weft:v1" || a["org.opencontainers.image.ref.name"] != "v1" {
		t.Errorf("annotations %v", a)
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	must(t, json.Unmarshal(blob(index.Manifests[0]), &manifest))
	unzip, err := gzip.NewReader(bytes.NewReader(blob(manifest.Layers[0])))
	must(t, err)
	plain, err := io.ReadAll(unzip)
	must(t, err)
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
		Config       struct{ Labels map[string]string }
		Architecture string
	}
	must(t, json.Unmarshal(blob(manifest.Config), &config))
	if config.RootFS.DiffIDs[0] != "sha256:"+sha256Of(plain) || config.Config.Labels["org.opencontainers.image.revision"] != "abc" || config.Architecture != "arm64" {
		t.Errorf("configuration %+v", config)
	}
	if root := unpacked(t, plain); string(root["usr/bin/weft"]) != "contents of /usr/bin/weft" || len(root) != 7 {
		t.Errorf("the root holds %v", root)
	}
}

func TestArgumentsThatCannotBeAreRefused(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	out := filepath.Join(t.TempDir(), "image.tar")
	for _, args := range [][]string{
		{}, {"--out", out, "--name", "weft", "/a=" + out}, {"--out", out, "--name", "weft:1"}, {"--out", out, "--name", "weft:1", "a=b"},
		{"--out", out, "--name", "weft:1", "/a=/nonexistent"}, {"--out", out, "--name", "localhost:5000/weft", "/a=main.go"},
	} {
		if err := run(args); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
}
