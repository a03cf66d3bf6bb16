package between

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/weftnet/weft/lab/labtest"
)

// asProgram makes the test binary a bench of two machines: the variable holds a programArgs.
const asProgram = "WEFT_BETWEEN_TEST"

// programArgs is what the test binary does in a namespace of the lab.
type programArgs struct {
	Serve *ServeOptions
	Run   *Options
}

func TestMain(m *testing.M) {
	if text := os.Getenv(asProgram); text != "" {
		os.Exit(program(text))
	}
	code := m.Run()
	labtest.Remove()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// program is what the commands will be: lines on standard error, the report as JSON on standard output.
func program(text string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var args programArgs
	err := json.Unmarshal([]byte(text), &args)
	if err == nil && args.Serve != nil {
		args.Serve.Out = os.Stderr
		err = Serve(ctx, *args.Serve)
	} else if err == nil {
		var r *Report
		if r, err = Run(ctx, *args.Run); r != nil {
			err = firstOf(err, json.NewEncoder(os.Stdout).Encode(r))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
