// Package config has the arguments of Shoal's scheduler plugins, as the plugins read them. Users write the form of
// package v1 in the pluginConfig of a KubeSchedulerConfiguration; package scheme registers both with kube-scheduler, so
// that a misspelt argument stops the scheduler at its start; package validation says which values are allowed.
//
// The package decides nothing.
//
// +kubebuilder:object:generate=true
package config
