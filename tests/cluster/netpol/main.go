// Asks cyclonus's analyzer which packets a set of NetworkPolicies lets through. No cluster is needed.
//
// Standard input: {"policies": [NetworkPolicy], "peers": {NAME: PEER}, "probes": [PROBE]}. Standard output: one boolean a
// probe, in order. Exit code 2: the input is not that.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// peer is a pod by its labels, or an address outside of the cluster.
type peer struct {
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	PodLabels       map[string]string `json:"podLabels"`
	IP              string            `json:"ip"`
}

type probe struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Port     int    `json:"port"`
	PortName string `json:"portName"`
	Protocol string `json:"protocol"`
}

type question struct {
	Policies []*networkingv1.NetworkPolicy `json:"policies"`
	Peers    map[string]peer               `json:"peers"`
	Probes   []probe                       `json:"probes"`
}

func main() {
	answers, err := answer()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answers)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "netpol: %v\n", err)
		os.Exit(2)
	}
}

func answer() ([]bool, error) {
	var asked question
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if len(asked.Policies) == 0 {
		return nil, fmt.Errorf("no policies: everything would be open")
	}
	policy := matcher.BuildNetworkPolicies(false, asked.Policies)
	answers := make([]bool, 0, len(asked.Probes))
	for _, one := range asked.Probes {
		from, known := asked.Peers[one.From]
		to, alsoKnown := asked.Peers[one.To]
		if !known || !alsoKnown {
			return nil, fmt.Errorf("a probe from %q to %q names a peer that is not given", one.From, one.To)
		}
		allowed := policy.IsTrafficAllowed(&matcher.Traffic{
			Source:           from.traffic(),
			Destination:      to.traffic(),
			ResolvedPort:     one.Port,
			ResolvedPortName: one.PortName,
			Protocol:         v1.Protocol(one.Protocol),
		})
		answers = append(answers, allowed.IsAllowed())
	}
	return answers, nil
}

func (p peer) traffic() *matcher.TrafficPeer {
	if p.Namespace == "" {
		return &matcher.TrafficPeer{IP: p.IP}
	}
	internal := &matcher.InternalPeer{PodLabels: p.PodLabels, NamespaceLabels: p.NamespaceLabels, Namespace: p.Namespace}
	return &matcher.TrafficPeer{Internal: internal, IP: p.IP}
}
