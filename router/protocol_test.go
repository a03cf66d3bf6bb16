package router

import (
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

func TestTheProtocolHasTheNumbersOfTheCode(t *testing.T) {
	timing := Timing{}.withDefaults()
	vectors.ReadDocument(t, "../docs/protocol.md").CheckConstants(t, "router", map[string]any{
		"maxControlFrame": maxControlFrame, "MaxGossip": MaxGossip, "maxCandidates": maxCandidates, "loadAt": loadAt, "loadTime": loadTime,
		"freeRate": freeRate, "freeBurst": freeBurst, "sourceRate": sourceRate, "overflowRate": overflowRate, "behindRate": behindRate, "behindBurst": behindBurst, "cookieRate": cookieRate, "takenRate": takenRate,
		"traceRate": traceRate, "traceBurst": traceBurst, "RelayFrames": RelayFrames, "relayBurst": relayBurst, "resumePause": resumePause, "answerPause": answerPause, "foreignGrace": foreignGrace,
		"Timing.Busy": timing.Busy, "Timing.Idle": timing.Idle, "Timing.Answer": timing.Answer, "Timing.Burst": timing.Burst,
		"Timing.Gap": timing.Gap, "Timing.CallMin": timing.CallMin, "Timing.CallMax": timing.CallMax,
		"Timing.HastyAnswer": timing.HastyAnswer, "Timing.Hasty": timing.Hasty,
	})
}
