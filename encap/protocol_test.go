package encap

import (
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

func TestTheProtocolHasTheNumbersOfTheCode(t *testing.T) {
	session, streams := SessionConfig{Local: testLocal(t, 1)}.withDefaults(), NewStreams(StreamsConfig{}).cfg
	d := vectors.ReadDocument(t, "../docs/protocol.md")
	d.CheckConstants(t, "encap", map[string]any{
		"Initiation": Initiation, "Response": Response, "Cookie": Cookie, "Data": Data, "Control": Control, "GossipType": GossipType,
		"Relay": Relay, "Part": Part, "FlagClear": FlagClear, "FlagPartial": FlagPartial, "FlagCookie": FlagCookie, "FlagProven": FlagProven,
		"CipherAES256GCM": CipherAES256GCM, "CipherChaCha20Poly1305": CipherChaCha20Poly1305,
		"CapDialBack": CapDialBack, "CapSecrets": CapSecrets, "CapStrict": CapStrict, "CapRelay": CapRelay, "CapParts": CapParts,
		"CapPairGossip": CapPairGossip, "CapCandidates": CapCandidates, "CapSplice": CapSplice, "MaxCandidates": MaxCandidates,
		"CandidatePrivate": CandidatePrivate, "CandidateAdvertised": CandidateAdvertised, "CandidateObserved": CandidateObserved,
		"MaxRelays": MaxRelays, "MaxRelayFront": MaxRelayFront,
		"Probe": Probe, "ProbeReply": ProbeReply, "Gossip": Gossip, "Goodbye": Goodbye, "Pause": Pause,
		"DialRequest": DialRequest, "DialBack": DialBack, "DialResponse": DialResponse,
		"SizeProbe": SizeProbe, "SizeReply": SizeReply, "PartHead": PartHead, "maxParts": maxParts, "rejoinLife": rejoinLife,
		"rejoinEach": rejoinEach, "rejoinTotal": rejoinTotal,
		"SecretQuestion": SecretQuestion, "SecretReply": SecretReply, "LinkState": LinkState, "Trace": Trace, "TraceReply": TraceReply, "CapTrace": CapTrace, "CapCompare": CapCompare,
		"ProbeCompares": ProbeCompares, "ProbeLeads": ProbeLeads,
		"MaxTrace": MaxTrace, "MaxVerdict": MaxVerdict, "Candidates": Candidates, "SpliceCall": SpliceCall,
		"SecretAsk": SecretAsk, "SecretAdd": SecretAdd, "SecretFirst": SecretFirst, "SecretRetire": SecretRetire,
		"SecretDone": SecretDone, "SecretRefused": SecretRefused, "SecretOther": SecretOther,
		"statusGo": statusGo, "statusSecret": statusSecret, "statusVersion": statusVersion, "statusBusy": statusBusy,
		"Version": Version, "HeaderLen": HeaderLen, "CounterLen": CounterLen, "TagLen": TagLen, "macLen": macLen,
		"maxHandshake": maxHandshake, "initiationPadding": initiationPadding, "cookieLen": cookieLen, "CookieFrameLen": CookieFrameLen,
		"cookieLife": cookieLife, "cookieMargin": cookieMargin, "pendingFor": pendingFor, "maxWaiting": maxWaiting, "maxOld": maxOld, "maxTries": maxTries,
		"shortInitiation": shortInitiation, "shortResponse": shortResponse,
		"SessionConfig.RekeyAfter": session.RekeyAfter, "SessionConfig.RejectAfter": session.RejectAfter,
		"SessionConfig.Grace": session.Grace, "SessionConfig.RekeyCount": session.RekeyCount,
		"counterLimit": uint64(counterLimit), "WindowSize": WindowSize, "MaxLanes": MaxLanes, "MaxName": MaxName, "MaxBuild": MaxBuild,
		"maxNetworks": maxNetworks, "maxCiphers": maxCiphers, "MaxDialed": MaxDialed, "maxSigned": maxSigned, "maxSecretReason": maxSecretReason,
		"streamVersion": streamVersion, "prefaceLen": prefaceLen, "answerLen": answerLen, "maxHello": maxHello, "maxRecord": maxRecord,
		"StreamsConfig.Timeout": streams.Timeout, "StreamsConfig.Max": streams.Max, "StreamsConfig.PerSource": streams.PerSource,
		"StreamsConfig.MaxOpen": streams.MaxOpen, "StreamsConfig.OpenPerSource": streams.OpenPerSource,
		"gossipNonceLen": gossipNonceLen, "GossipOverhead": GossipOverhead, "gossipProofLen": gossipProofLen, "gossipUndated": gossipUndated,
		"gossipDated": uint64(gossipDated), "gossipMisdate": gossipMisdate,
	})
	d.CheckKeys(t, Settings{}, initiationPayload{}, Stamp{}, responsePayload{}, ProbeBody{}, DialBody{}, Dialed{}, helloPayload{}, verdict{},
		SecretOffer{}, SecretAnswer{}, splicePayload{}, SpliceBody{}, Offer{}, Candidate{}, TraceQuestion{}, TraceAnswer{})
}
