package alive

import (
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

func TestTheProtocolHasTheNumbersOfTheCode(t *testing.T) {
	vectors.ReadDocument(t, "../../docs/protocol.md").CheckConstants(t, "alive", map[string]any{
		"failedFor": failedFor, "failedMost": failedMost, "MaxCalls": MaxCalls, "windowMemory": windowMemory,
		"meterBusy": meterBusy, "meterNew": meterNew, "meterIdle": meterIdle, "meterSpan": meterSpan,
		"meterPatience": meterPatience, "meterTrips": meterTrips, "meterSound": meterSound,
		"compareEvery": compareEvery, "compareSeldom": compareSeldom, "compareProbes": compareProbes, "compareMargin": compareMargin,
		"compareWins": compareWins, "compareHold": compareHold,
	})
}
