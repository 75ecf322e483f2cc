// Of operators.h: names of the weights of each algorithm, and of the inputs of each operator, as enumerations.
#pragma once

#include "arguments.h"

#define LISTED(...) __VA_ARGS__
#define LISTED_FIRST(...) __VA_OPT__(__VA_ARGS__, )
#define AS_TEXT(...) #__VA_ARGS__

#define WEIGHTS(name, required, optional)                                                                           \
  struct name##Weights {                                                                                            \
    enum Index { LISTED_FIRST required N_REQUIRED, BEFORE_OPTIONAL = N_REQUIRED - 1, LISTED_FIRST optional COUNT }; \
    static constexpr const char *REQUIRED = AS_TEXT required, *OPTIONAL = AS_TEXT optional;                         \
  };
#define OPERATOR(name, inputs, ...)      \
  struct name##Inputs {                  \
    enum Index { LISTED inputs, COUNT }; \
  };
#include "operators.h"
#undef WEIGHTS
#undef OPERATOR
