"""Other names for settings and their values, by which `hints` recognizes what was meant."""

from __future__ import annotations

# Names that other libraries, papers and people use, in the spelling of `plain`.
_NAMES = {
    "experiment": "name experimentname runname project projectname",
    "results": "output outputdir outputfolder outdir resultsdir resultdir savedir savepath logdir",
    "grid": "sweep sweeps params parameters axes axis gridsearch",
    "grid.seed": "seed seeds randomseed rngseed rng nseeds numseeds randomstate manualseed",
    "seeds_per_job": "blocksize jobsize seedsperblock",
    "threads_per_job": "threads nthreads cores ncores cpus ncpus cpu nproc workers nworkers numworkers njobs",
    "device": "gpu gpus gpuid usegpu cuda usecuda accelerator dev",
    "gpu_frac": "gpufraction gpumemory gpumem",
    "task": "taskname tasks",
    "task_file": "taskpath taskmodule taskscript",
    "task_settings": "settings taskparams taskargs tasksettings",
    "task_settings.T": "t triallength trialduration seqlen sequencelength nsteps timesteps",
    "task_settings.stim_on": "stimon stimonset stimulusonset stimstart",
    "task_settings.stim_dur": "stimdur stimduration stimulusduration",
    "task_settings.delay": "delay delayduration",
    "convert": "conversionenabled doconvert",
    "network.N": "n hidden hiddensize hiddenunits hiddendim hiddenlayersize nhidden nunits units numunits nneurons "
    "neurons numneurons size nrec rnnsize networksize netsize recsize recurrentsize",
    "network.P_inh": "pinhibitory inhfraction fracinh inhfrac inhibitoryfraction inhratio pexc eiratio",
    "network.P_rec": "sparsity density connectivity pconn pconnect connectionprobability connprob recprob",
    "network.som_N": "som nsom sst nsst sstn somsize",
    "network.gain": "g spectralradius rho gains",
    "network.apply_dale": "dale daleslaw dalelaw usedale dalesprinciple daleprinciple ei eirnn",
    "network.w_dist": "wdistribution weightdist weightdistribution weightinit init initialization initialisation winit",
    "network.taus": "tau decaytaus decaytau taudecay tausms taums timeconstants timeconstant tausyn synapticdecay "
    "taumin taumax mintau maxtau taurange tausrange td decay",
    "network.activation": "act actfn phi nonlinearity activationfunction activationfn transferfunction transfer",
    "training.n_trials": "epochs nepochs numepochs maxepochs epoch iterations niter niterations maxiter maxsteps "
    "trainingsteps maxtrials trials ntrain trainingtrials numtrials trainiters updates nupdates",
    "training.min_trials": "mintrial burnin warmup",
    "training.batch_size": "batch bs nbatch minibatch minibatchsize batches",
    "training.learning_rate": "lr eta stepsize learnrate learningrates rate",
    "training.loss_fn": "loss lossfunction criterion objective losses",
    "training.loss_threshold": "targetloss lossthresh lossthres stoploss losscriterion",
    "training.accuracy_threshold": "targetaccuracy accthreshold accthresh accuracythresh acccriterion perfthreshold",
    "training.eval_freq": "evalevery testevery evalinterval evalfrequency testfreq evalperiod valevery",
    "training.eval_tr": "evaltrials testtrials ntest neval evaltr",
    "spiking.tau_m": "membranetau taumembrane taumem",
    "spiking.refractory": "refrac refractoryperiod tref tauref refractorytime trefractory",
    "spiking.tau_rise": "taur synapticrise risetime tr taurises",
    "spiking.dt": "timestep integrationstep simulationstep",
    "spiking.model": "neuron neuronmodel neurontype",
    "spiking.noise_sd": "noise sigma noisestd noisesigma noiseamplitude",
    "spiking.threshold": "vth vthr vthresh vthreshold",
    "spiking.stimulation": "stim stims stimulations optogenetics",
    "conversion.scaling_factors": "lambda lambdas scalingfactor scaling scale lambdagrid",
    "conversion.lesion": "lesions lesioning",
    "tracking.uri": "mlflow mlflowuri trackinguri url trackingurl mlflowtrackinguri mlflowurl",
}
NAMES = {word: path for path, words in _NAMES.items() for word in words.split()}
ADAM = "; training uses Adam, whose only setting is training.learning_rate"
REMARKS = {  # on what people look for and is not a setting
    **dict.fromkeys(
        ["optimizer", "optimiser", "optim", "weightdecay", "momentum", "scheduler", "lrscheduler", "betas"], ADAM
    ),
    **dict.fromkeys(["deltat", "dtrate"], "; a step of the rate network is always 5 ms"),
    "dropout": "; there is no dropout",
}
_WORDS = {
    "device": {"cuda": "gpu gpus cuda0 cuda1 nvidia", "cpu": "none host", "auto": "any best default"},
    "activation": {
        "clipped_relu": "relu clippedrelu reluclipped relu6 rectified",
        "sigmoid": "logistic sigm",
        "softplus": "soft smoothrelu",
    },
    "w_dist": {"gaus": "gauss gaussian normal randn norm", "gamma": "lognormal"},
    "loss_fn": {
        "l2": "rmse euclidean ltwo",
        "l1": "mae absolute l1loss lone",
        "mse": "squared mseloss meansquared meansquarederror",
        "huber": "smoothl1 smoothl1loss huberloss",
        "cross_entropy": "crossentropy crossentropyloss ce nll nllloss softmax logloss",
        "task": "own custom user",
    },
    "mode": {
        "none": "off null",
        "exc": "excitatory excite depolarize depolarise chr2",
        "inh": "inhibitory inhibit hyperpolarize hyperpolarise halo arch",
    },
    "model": {"lif": "leaky iaf integrateandfire", "qif": "quadratic izhikevich"},
    "search": {"full": "all exhaustive grid complete", "racing": "race fast"},
    "output_of_step": {"peak": "max maximum", "mean": "average avg", "last": "final end"},
    "synapses": {
        "E-E": "ee exctoexc",
        "E-I": "ei exctoinh",
        "I-E": "ie inhtoexc",
        "I-I": "ii inhtoinh",
        "all": "any every",
    },
}
WORDS = {key: {w: value for value, words in own.items() for w in words.split()} for key, own in _WORDS.items()}
