// Command image packs programs into an OCI image, as a tar file: ctr, k3s and podman import it. No container engine is needed.
//
//	image --out FILE --name REPOSITORY:TAG [--arch ARCH] [--version V] [--revision COMMIT] PATH-IN-IMAGE=FILE...
//
// The first program is the entry point. The time of everything is SOURCE_DATE_EPOCH, so the same programs give the same bytes.
package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var i image
	var out string
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&out, "out", "", "the file to write")
	flags.StringVar(&i.name, "name", "", "the image's name, with its tag")
	flags.StringVar(&i.arch, "arch", runtime.GOARCH, "the machine that the programs are for, as Go names it")
	flags.StringVar(&i.version, "version", "", "label org.opencontainers.image.version")
	flags.StringVar(&i.revision, "revision", "", "label org.opencontainers.image.revision")
	if err := flags.Parse(args); err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH is no number of seconds: %w", err)
	}
	i.time = time.Unix(seconds, 0).UTC()
	for _, arg := range flags.Args() {
		target, file, ok := strings.Cut(arg, "=")
		if !ok || !strings.HasPrefix(target, "/") {
			return fmt.Errorf("%q is not PATH-IN-IMAGE=FILE", arg)
		}
		i.programs = append(i.programs, program{target, file})
	}
	if out == "" || !strings.Contains(path.Base(i.name), ":") || len(i.programs) == 0 {
		return fmt.Errorf("--out, --name with a tag and a program are needed")
	}
	return i.write(out)
}
