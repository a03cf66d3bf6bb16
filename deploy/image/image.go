package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// image is what goes into the file.
type image struct {
	name, version, revision string
	arch                    string    // as Go names it: OCI does likewise
	time                    time.Time // of everything in it
	programs                []program
}

// program is a file of the image, and where its contents are.
type program struct{ path, file string }

// Media types of the OCI image specification 1.1 (media-types.md).
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// descriptor points to a blob (descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// layout collects the blobs of an image layout (image-layout.md), by their path in it.
type layout map[string][]byte

func (l layout) add(mediaType string, blob []byte) descriptor {
	sum := sha256Of(blob)
	l["blobs/sha256/"+sum] = blob
	return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: len(blob)}
}

func (l layout) addJSON(mediaType string, value any) (descriptor, error) {
	blob, err := json.Marshal(value)
	return l.add(mediaType, blob), err
}

func sha256Of(blob []byte) string {
	sum := sha256.Sum256(blob)
	return hex.EncodeToString(sum[:])
}

// write makes the file, as a whole or not at all.
func (i *image) write(out string) error {
	blobs, err := i.layout()
	if err != nil {
		return err
	}
	temporary := out + ".new"
	if err := os.WriteFile(temporary, archive(blobs, i.time), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, out)
}

func (i *image) layout() (layout, error) {
	plain, err := i.layer()
	if err != nil {
		return nil, err
	}
	l := layout{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	config, err := l.addJSON(typeConfig, i.config("sha256:"+sha256Of(plain)))
	if err != nil {
		return nil, err
	}
	manifest, err := l.addJSON(typeManifest, map[string]any{
		"schemaVersion": 2, "mediaType": typeManifest, "config": config, "layers": []descriptor{l.add(typeLayer, compressed(plain))},
	})
	if err != nil {
		return nil, err
	}
	_, tag, _ := strings.Cut(path.Base(i.name), ":")
	manifest.Annotations = map[string]string{"io.containerd.image.name": i.name, "org.opencontainers.image.ref.name": tag}
	l["index.json"], err = json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": typeIndex, "manifests": []descriptor{manifest}})
	return l, err
}

// config is the image's configuration (config.md); diff is the digest of its one layer before compression.
func (i *image) config(diff string) map[string]any {
	created := i.time.Format(time.RFC3339)
	return map[string]any{
		"created": created, "architecture": i.arch, "os": "linux",
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{diff}},
		"history": []map[string]string{{"created": created, "created_by": "make image"}},
		"config": map[string]any{
			"Entrypoint": []string{i.programs[0].path},
			"Env":        []string{"PATH=" + path.Dir(i.programs[0].path)},
			"WorkingDir": "/",
			"Labels": map[string]string{
				"org.opencontainers.image.title":       "weft",
				"org.opencontainers.image.description": "Joins hosts into one sealed IP network, and pods with them",
				"org.opencontainers.image.licenses":    "Apache-2.0",
				"org.opencontainers.image.source":      "https://github.com/weftnet/weft",
				"org.opencontainers.image.version":     i.version,
				"org.opencontainers.image.revision":    i.revision,
			},
		},
	}
}

// layer is a tar file with the programs and the directories above them.
func (i *image) layer() ([]byte, error) {
	files := layout{}
	for _, p := range i.programs {
		contents, err := os.ReadFile(p.file)
		if err != nil {
			return nil, err
		}
		files[strings.TrimPrefix(p.path, "/")] = contents
	}
	return archive(files, i.time), nil
}

// archive is a tar file of files that everybody may read and run, and of the directories above them, in the order of their names.
func archive(files layout, at time.Time) []byte {
	names := map[string]bool{}
	for name := range files {
		for ; name != "."; name = filepath.Dir(name) {
			names[name] = true
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range sorted {
		h := &tar.Header{Name: name, Mode: 0o755, ModTime: at, Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Size: int64(len(files[name]))}
		if _, isFile := files[name]; !isFile {
			h.Name, h.Typeflag = name+"/", tar.TypeDir
		}
		_ = w.WriteHeader(h) // to memory
		_, _ = w.Write(files[name])
	}
	_ = w.Close()
	return out.Bytes()
}

func compressed(data []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // without a name or a time in its header
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}
