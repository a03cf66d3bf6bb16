package measure

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weftnet/weft/bench/load"
)

const (
	verifyBytes = 16 << 20 // there and back: some thousand packets, and a few seconds on the slowest path
	verifyRate  = 20_000   // datagrams/s in trains: slow enough for all subjects
	verifyTime  = 200 * time.Millisecond
)

// Verify sends random bytes there and back over TCP, datagrams of all kinds of sizes up to the MTU, and trains of datagrams, and
// compares: the check payload. The counters' checks are in the Findings of what was observed meanwhile. The error is of a
// check that could not be made.
func Verify(ctx context.Context, t Target) ([]Finding, error) {
	far := farEnd(t)
	defer far.Close()
	r, err := load.Integrity(ctx, t.From, far, load.IntegrityOptions{Bytes: verifyBytes, MTU: t.MTU})
	if err != nil {
		return nil, fmt.Errorf("measure: verify: %w", err)
	}
	trains, err := load.Datagrams(ctx, t.From, far, load.DatagramsOptions{
		Payload: min(trainPayload, t.MTU-udpHeaders), Train: trainLength, Rate: verifyRate, Duration: verifyTime,
	})
	if err != nil {
		return nil, fmt.Errorf("measure: verify: %w", err)
	}
	return []Finding{payloadFinding(r, trains)}, nil
}

// payloadFinding says what was wrong, without listing all of it.
func payloadFinding(r load.IntegrityResult, trains load.Trial) Finding {
	const listed = 4
	seen := r.Differences
	if len(seen) > listed {
		seen = append(seen[:listed:listed], fmt.Sprintf("%d more differences", len(r.Differences)-listed))
	}
	if n := len(r.Missing); n > 0 {
		seen = append(seen[:len(seen):len(seen)], fmt.Sprintf("datagrams of %d sizes never came back, one of %d bytes", n, r.Missing[0]))
	}
	if trains.Damaged > 0 {
		seen = append(seen[:len(seen):len(seen)], fmt.Sprintf("%d datagrams of trains arrived damaged", trains.Damaged))
	}
	if !r.OK && len(seen) == 0 {
		seen = []string{"the transfer was not intact"}
	}
	return Finding{Check: CheckPayload, OK: r.OK && trains.Damaged == 0, Detail: strings.Join(seen, "; ")}
}

// farEnd is the far end of load's generators. The caller closes it.
func farEnd(t Target) *load.Server { return load.NewServer(t.To, t.ToAddr) }
