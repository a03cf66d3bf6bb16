package cri

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// The names under which every node has the image: it holds busybox and nothing else.
const (
	Image      = "localhost/weft/busybox:1"
	PauseImage = "localhost/weft/pause:1" // that of sandboxes, to containerd
)

// applets are the commands of busybox that the image has by their own names: those of the tests' pods.
var applets = []string{"sh", "httpd", "nc", "wget", "sha256sum", "sleep", "cat", "echo", "head", "hostname", "ip", "ping", "mkdir", "chmod", "cp"}

// WriteImage writes the image as 'docker save' does, which containerd imports: the layer, its description, and a list of both.
func WriteImage(path string) error {
	layer, err := imageLayer()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"Cmd": []string{"/bin/sleep", "2147483647"}, "Env": []string{"PATH=/bin"}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return fmt.Errorf("cri: describe image: %w", err)
	}
	list, err := json.Marshal([]map[string]any{
		{"Config": "config.json", "RepoTags": []string{Image, PauseImage}, "Layers": []string{"layer.tar"}},
	})
	if err != nil {
		return fmt.Errorf("cri: describe image: %w", err)
	}
	files := []tarFile{{name: "config.json", data: config}, {name: "layer.tar", data: layer}, {name: "manifest.json", data: list}}
	raw, err := packed(files)
	if err != nil {
		return err
	}
	return os.WriteFile(path, raw, 0o644)
}

// imageLayer is the root of the image's containers.
func imageLayer() ([]byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, fmt.Errorf("cri: image: %w", err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cri: image: %w", err)
	}
	files := []tarFile{{name: "bin/busybox", data: program, mode: 0o755}}
	for _, applet := range applets {
		files = append(files, tarFile{name: "bin/" + applet, link: "busybox"})
	}
	return packed(files)
}

// tarFile is a file, or with a link a symbolic link. Mode 0 is 0644.
type tarFile struct {
	name, link string
	data       []byte
	mode       int64
}

func (f tarFile) header() *tar.Header {
	h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), Typeflag: tar.TypeReg}
	if f.mode == 0 {
		h.Mode = 0o644
	}
	if f.link != "" {
		h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
	}
	return h
}

// packed is a tar archive of the files.
func packed(files []tarFile) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		if err := w.WriteHeader(f.header()); err != nil {
			return nil, fmt.Errorf("cri: pack %s: %w", f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("cri: pack %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("cri: pack: %w", err)
	}
	return out.Bytes(), nil
}
