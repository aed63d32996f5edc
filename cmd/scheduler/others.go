package main

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	_ "sigs.k8s.io/scheduler-plugins/apis/config/scheme" // the arguments of its plugins
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/loadvariationriskbalancing"
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/lowriskovercommitment"
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/targetloadpacking"
)

// others are Trimaran, plugins of scheduler-plugins that look at measured load too. They are there for those who used them
// before, and do nothing unless a profile names them.
var others = map[string]func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error){
	loadvariationriskbalancing.Name: loadvariationriskbalancing.New,
	lowriskovercommitment.Name:      lowriskovercommitment.New,
	targetloadpacking.Name:          targetloadpacking.New,
}
