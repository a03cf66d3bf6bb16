package linkstate

import (
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

func TestTheProtocolHasTheNumbersOfTheCode(t *testing.T) {
	d := vectors.ReadDocument(t, "../docs/protocol.md")
	d.CheckConstants(t, "linkstate", map[string]any{
		"kindPage": kindPage, "kindSummary": kindSummary, "kindVersions": kindVersions, "kindRequest": kindRequest,
		"AllowRelay": AllowRelay, "RefuseRelay": RefuseRelay, "MaxMessage": MaxMessage, "MaxRelays": MaxRelays,
		"signatureLen": signatureLen, "linkLen": linkLen, "maxLinks": maxLinks, "maxBits": maxBits, "MaxRTTClass": MaxRTTClass,
		"MaxLossClass": MaxLossClass, "spacing": spacing, "settle": settle, "classEvery": classEvery, "classBurst": classBurst, "flapWindow": flapWindow, "maxFlaps": maxFlaps,
		"refreshEvery": refreshEvery, "maxAge": maxAge, "lastCall": lastCall, "refreshSize": refreshSize, "refreshMost": refreshMost, "fanout": fanout, "digestEvery": digestEvery,
		"maxBuckets": maxBuckets, "maxAnswers": maxAnswers, "versionLen": versionLen, "wantLen": wantLen, "answerRate": answerRate,
		"answerBurst": answerBurst, "originRate": originRate, "originBurst": originBurst,
	})
	d.CheckKeys(t, pageBody{}, summaryBody{}, versionsBody{}, requestBody{})
}
