# Counts that vary no more than Poisson counts, and two that do, by mgcv. Run from this folder: Rscript counts.R
# Writes counts.csv (the data) and counts.json: of each target theta, the effective degrees of freedom, the strength and the linear predictor
# at the first 40 rows, negative binomial and Poisson.
suppressPackageStartupMessages(library(mgcv))
set.seed(11)
n <- 300
rows <- data.frame(x = round(runif(n, -3, 3), 4))
for (j in 1:8) rows[[paste0("even", j)]] <- rpois(n, exp(sin(rows$x)))
for (j in 1:2) rows[[paste0("spread", j)]] <- rnbinom(n, size = 2 * j, mu = exp(sin(rows$x)))
write.csv(rows, "counts.csv", row.names = FALSE, quote = FALSE)

number <- function(values) paste0("[", paste(sprintf("%.17g", values), collapse = ","), "]")
strict <- gam.control(epsilon = 1e-12, maxit = 400, newton = list(conv.tol = 1e-9))
part <- function(fit) paste0('"edf": ', number(summary(fit)$s.table[, 1]), ', "sp": ', number(fit$sp / fit$smooth[[1]]$S.scale),
                             ', "fitted": ', number(fit$linear.predictors[1:40]))
record <- function(target) {
  formula <- as.formula(paste(target, '~ s(x, bs = "ps", k = 10)'))
  nb <- gam(formula, data = rows, family = nb(), method = "REML", control = strict)
  even <- gam(formula, data = rows, family = poisson(), method = "REML", control = strict)
  paste0('{"target": "', target, '", "theta": ', sprintf("%.17g", nb$family$getTheta(TRUE)),
         ',\n  "negative binomial": {', part(nb), '},\n  "poisson": {', part(even), "}}")
}
made <- sapply(names(rows)[-1], record)
writeLines(paste0('{"made by": "', R.version.string, ', mgcv ', packageVersion("mgcv"), '",\n "fits": [\n',
                  paste(made, collapse = ",\n"), "\n]}"), "counts.json")
